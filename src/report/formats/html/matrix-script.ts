/** The page's script up to the matrix: the data, the filters, and the drawing of cells. */
export const MATRIX_SCRIPT: string = `'use strict';
(function () {
  var data = JSON.parse(document.getElementById('data').textContent);
  var $ = function (id) { return document.getElementById(id); };
  var N = data.peers.length;
  var DENIED = 0, UNKNOWN = 1, PORTS = 2, ALL = 3, SOME = 4, NONE = -1;
  var WORDS = { 0: 'denied', 1: 'unspecified', 2: 'allowed', 3: 'allowed', 4: 'some pods' };
  var CSS = { 0: 'denied', 1: 'undefined', 2: 'allowed', 3: 'allowed', 4: 'some' };
  var PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

  function el(tag, attributes) {
    var node = document.createElement(tag);
    for (var key in attributes || {}) {
      if (key === 'text') node.textContent = attributes[key];
      else node.setAttribute(key, attributes[key]);
    }
    for (var i = 2; i < arguments.length; i++) if (arguments[i] != null) node.append(arguments[i]);
    return node;
  }

  // The matrix as it was encoded: runs of equal values per row.
  var values = new Int32Array(N * N);
  data.rows.forEach(function (row, i) {
    var at = i * N;
    for (var k = 0; k < row.length; k += 2) {
      values.fill(row[k], at, at + row[k + 1]);
      at += row[k + 1];
    }
  });
  var haystack = data.peers.map(function (peer) { return (peer[0] + ' ' + peer[1] + ' ' + peer[3].join(' ')).toLowerCase(); });
  var label = function (i) { return data.peers[i][0] + (data.peers[i][3].length > 0 ? ' +' + (data.peers[i][3].length - 1) + ' alike' : ''); };
  var namespaceOf = function (i) { return data.peers[i][2]; };

  var filter = { words: [], source: [], destination: [], arrow: false, from: '', to: '', verdict: '', port: null };
  var rows = [], columns = [], pairs = [], selected = null, cursor = { r: 0, c: 0 };
  var order = { key: 'dst', down: false };

  function covers(ports) {
    if (ports === null) return false;
    var want = filter.port;
    if (want.name !== null) return ports.names.indexOf(want.name) >= 0;
    for (var p = 0; p < 3; p++) {
      if (want.protocol !== null && want.protocol !== p) continue;
      var ranges = ports.ranges[p];
      if (want.port === null) { if (ranges.length > 0) return true; continue; }
      for (var k = 0; k < ranges.length; k += 2) if (ranges[k] <= want.port && want.port <= ranges[k + 1]) return true;
    }
    return false;
  }

  // What each conn means under the port filter; recomputed when that changes.
  var connStates = [];
  function readConns() {
    connStates = data.conns.map(function (conn) {
      if (conn.state === 'open') return filter.port !== null && covers(conn.ports) ? ALL : UNKNOWN;
      if (filter.port === null) return conn.state === 'all' ? ALL : conn.state === 'ports' ? PORTS : SOME;
      return covers(conn.ports) ? ALL : covers(conn.some) ? SOME : DENIED;
    });
  }
  function leftOut(i, j) { return data.shown !== null && !data.shown[i] && !data.shown[j]; }
  function stateOf(i, j) {
    var value = values[i * N + j];
    if (value >= 2) return connStates[value - 2];
    if (value === 1) return UNKNOWN;
    if (i === j && data.peers[i][3].length === 0) return NONE;
    if (namespaceOf(i) < 0 && namespaceOf(j) < 0) return NONE;
    if (leftOut(i, j)) return NONE;
    return DENIED;
  }
  function portsText(i, j) {
    var value = values[i * N + j];
    return value >= 2 ? data.conns[value - 2].text : value === 1 ? 'unspecified' : 'none';
  }
  function wanted(state) {
    if (filter.verdict === 'allowed') return state === PORTS || state === ALL;
    if (filter.verdict === 'denied') return state === DENIED;
    if (filter.verdict === 'undefined') return state === UNKNOWN || state === SOME;
    return state !== NONE;
  }

  function matches(words) {
    return words.map(function (word) { return haystack.map(function (text) { return text.indexOf(word) >= 0; }); });
  }
  function all(lists, i) { return lists.every(function (list) { return list[i]; }); }
  var shown = function () { return true; };

  function compute() {
    readConns();
    var words = matches(filter.words), source = matches(filter.source), destination = matches(filter.destination);
    var inside = function (i, choice) { return choice === '' || String(namespaceOf(i)) === choice; };
    var sources = [], destinations = [];
    for (var i = 0; i < N; i++) {
      if (inside(i, filter.from) && all(source, i)) sources.push(i);
      if (inside(i, filter.to) && all(destination, i)) destinations.push(i);
    }
    var either = function (i, j) {
      for (var w = 0; w < words.length; w++) if (!words[w][i] && !words[w][j]) return false;
      return true;
    };
    shown = function (i, j) { return either(i, j) && wanted(stateOf(i, j)); };
    var hasRow = new Uint8Array(N), hasColumn = new Uint8Array(N), list = [];
    var narrowed = words.length > 0;
    sources.forEach(function (i) {
      destinations.forEach(function (j) {
        if (!either(i, j)) return;
        var state = stateOf(i, j);
        if (!wanted(state)) return;
        var counts = state !== DENIED || filter.verdict === 'denied';
        if (counts) list.push(i * N + j);
        // Without a verdict asked for, denied pairs are worth a row only where both ends were asked for.
        if (counts || !narrowed) { hasRow[i] = 1; hasColumn[j] = 1; }
      });
    });
    words.forEach(function (word) {
      sources.forEach(function (i) { if (word[i] && filter.verdict === '') hasRow[i] = 1; });
      destinations.forEach(function (j) { if (word[j] && filter.verdict === '') hasColumn[j] = 1; });
    });
    rows = sources.filter(function (i) { return hasRow[i]; });
    columns = destinations.filter(function (j) { return hasColumn[j]; });
    pairs = list;
    sortPairs();
  }

  function sortPairs() {
    var rank = new Int32Array(N);
    Array.from({ length: N }, function (_, i) { return i; })
      .sort(function (a, b) { var x = label(a), y = label(b); return x < y ? -1 : x > y ? 1 : a - b; })
      .forEach(function (peer, at) { rank[peer] = at; });
    var source = function (p) { return rank[Math.floor(p / N)]; };
    var destination = function (p) { return rank[p % N]; };
    var text = function (p) { return portsText(Math.floor(p / N), p % N); };
    var compare = {
      src: function (a, b) { return source(a) - source(b) || destination(a) - destination(b); },
      dst: function (a, b) { return destination(a) - destination(b) || source(a) - source(b); },
      ports: function (a, b) { var x = text(a), y = text(b); return x < y ? -1 : x > y ? 1 : destination(a) - destination(b) || source(a) - source(b); },
      verdict: function (a, b) { return stateOf(Math.floor(b / N), b % N) - stateOf(Math.floor(a / N), a % N) || destination(a) - destination(b) || source(a) - source(b); },
    }[order.key];
    pairs.sort(order.down ? function (a, b) { return compare(b, a); } : compare);
  }

  // ── matrix ──
  var CELL = N > 400 ? 14 : 18;
  var matrix = $('matrix'), area = matrix.querySelector('.scroll'), size = matrix.querySelector('.size');
  var canvas = matrix.querySelector('canvas'), context = canvas.getContext('2d');
  var FONT = '12px ui-sans-serif,system-ui,-apple-system,"Segoe UI",Roboto,sans-serif';
  var LONGEST = 34;
  var clip = function (text) { return text.length > LONGEST ? text.slice(0, LONGEST - 1) + '…' : text; };
  var head = { width: 120, height: 120 };
  var queued = false;

  function colours() {
    var style = getComputedStyle(document.documentElement), out = {};
    ['ground', 'panel', 'line', 'grid', 'text', 'quiet', 'ok', 'all', 'bad', 'warn', 'warnfill', 'accent', 'hover', 'self'].forEach(function (name) {
      out[name] = style.getPropertyValue('--' + name).trim();
    });
    return out;
  }
  function measure() {
    context.font = FONT;
    var longest = 60;
    for (var i = 0; i < N; i++) longest = Math.max(longest, context.measureText(clip(label(i))).width);
    head = { width: Math.ceil(longest) + 28, height: Math.ceil(longest) + 26 };
  }
  function layout() {
    size.style.width = head.width + columns.length * CELL + 24 + 'px';
    size.style.height = head.height + rows.length * CELL + 60 + 'px';
    matrix.querySelector('.empty').hidden = rows.length > 0 && columns.length > 0;
    draw();
  }
  function draw() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(function () { queued = false; paint(); });
  }
  function paint() {
    var width = area.clientWidth, height = area.clientHeight, scale = window.devicePixelRatio || 1;
    if (width === 0) return;
    canvas.width = width * scale;
    canvas.height = height * scale;
    canvas.style.width = width + 'px';
    canvas.style.height = height + 'px';
    var c = colours(), g = context;
    g.setTransform(scale, 0, 0, scale, 0, 0);
    g.fillStyle = c.ground;
    g.fillRect(0, 0, width, height);
    if (rows.length === 0 || columns.length === 0) return;
    var left = area.scrollLeft, top = area.scrollTop;
    var c0 = Math.floor(left / CELL), c1 = Math.min(columns.length, Math.ceil((left + width - head.width) / CELL));
    var r0 = Math.floor(top / CELL), r1 = Math.min(rows.length, Math.ceil((top + height - head.height) / CELL));
    var X = function (k) { return head.width + k * CELL - left; }, Y = function (k) { return head.height + k * CELL - top; };
    g.save();
    g.beginPath();
    g.rect(head.width, head.height, width - head.width, height - head.height);
    g.clip();
    g.fillStyle = c.hover;
    if (rows[cursor.r] !== undefined) g.fillRect(head.width, Y(cursor.r), X(columns.length) - head.width, CELL);
    if (columns[cursor.c] !== undefined) g.fillRect(X(cursor.c), head.height, CELL, Y(rows.length) - head.height);
    for (var r = r0; r < r1; r++) for (var k = c0; k < c1; k++) cell(g, c, rows[r], columns[k], X(k), Y(r));
    g.strokeStyle = c.line;
    g.beginPath();
    for (r = r0; r <= r1; r++) if (r > 0 && (r === rows.length || namespaceOf(rows[r]) !== namespaceOf(rows[r - 1]))) { g.moveTo(head.width, Y(r) + 0.5); g.lineTo(Math.min(width, X(columns.length)), Y(r) + 0.5); }
    for (k = c0; k <= c1; k++) if (k > 0 && (k === columns.length || namespaceOf(columns[k]) !== namespaceOf(columns[k - 1]))) { g.moveTo(X(k) + 0.5, head.height); g.lineTo(X(k) + 0.5, Math.min(height, Y(rows.length))); }
    g.stroke();
    if (rows[cursor.r] !== undefined && columns[cursor.c] !== undefined) {
      g.strokeStyle = c.accent;
      g.lineWidth = 2;
      g.strokeRect(X(cursor.c) + 1, Y(cursor.r) + 1, CELL - 2, CELL - 2);
      g.lineWidth = 1;
    }
    g.restore();
    g.font = FONT;
    g.textBaseline = 'middle';
    g.save();
    g.beginPath();
    g.rect(0, head.height, head.width, height - head.height);
    g.clip();
    g.textAlign = 'right';
    for (r = r0; r < r1; r++) heading(g, c, rows[r], head.width - 10, Y(r) + CELL / 2 + 0.5, r === cursor.r);
    g.restore();
    g.save();
    g.beginPath();
    g.rect(head.width, 0, width - head.width, head.height);
    g.clip();
    g.textAlign = 'left';
    for (k = c0; k < c1; k++) {
      g.save();
      g.translate(X(k) + CELL / 2 + 0.5, head.height - 8);
      g.rotate(-Math.PI / 2);
      heading(g, c, columns[k], 0, 0, k === cursor.c);
      g.restore();
    }
    g.restore();
    g.fillStyle = c.ground;
    g.fillRect(0, 0, head.width, head.height);
    g.fillStyle = c.quiet;
    g.textAlign = 'right';
    g.fillText('to →', head.width - 10, head.height - 28);
    g.fillText('from ↓', head.width - 10, head.height - 11);
    g.strokeStyle = c.line;
    g.beginPath();
    g.moveTo(0, head.height - 0.5); g.lineTo(Math.min(width, X(columns.length)), head.height - 0.5);
    g.moveTo(head.width - 0.5, 0); g.lineTo(head.width - 0.5, Math.min(height, Y(rows.length)));
    g.stroke();
  }
  function heading(g, c, peer, x, y, strong) {
    var text = clip(label(peer)), slash = namespaceOf(peer) < 0 ? -1 : text.indexOf('/');
    g.font = (strong ? '600 ' : '') + FONT;
    if (slash < 0) { g.fillStyle = c.text; g.fillText(text, x, y); return; }
    var space = text.slice(0, slash + 1), name = text.slice(slash + 1);
    if (g.textAlign === 'right') {
      g.fillStyle = c.text; g.fillText(name, x, y);
      g.fillStyle = c.quiet; g.fillText(space, x - g.measureText(name).width, y);
    } else {
      g.fillStyle = c.quiet; g.fillText(space, x, y);
      g.fillStyle = c.text; g.fillText(name, x + g.measureText(space).width, y);
    }
  }
  // Shapes differ as well as colours: full, small, ring, half.
  function cell(g, c, i, j, x, y) {
    var state = stateOf(i, j);
    if (state === NONE) { g.fillStyle = c.self; g.fillRect(x + 1, y + 1, CELL - 1, CELL - 1); return; }
    g.globalAlpha = shown(i, j) ? 1 : 0.16;
    if (state === DENIED) { g.fillStyle = c.line; g.fillRect(x + CELL / 2 - 0.5, y + CELL / 2 - 0.5, 2, 2); }
    else if (state === ALL) { g.fillStyle = c.all; g.fillRect(x + 1, y + 1, CELL - 1, CELL - 1); }
    else if (state === PORTS) { g.fillStyle = c.ok; g.fillRect(x + 4, y + 4, CELL - 7, CELL - 7); }
    else if (state === UNKNOWN) { g.strokeStyle = c.warn; g.lineWidth = 2; g.beginPath(); g.arc(x + CELL / 2 + 0.5, y + CELL / 2 + 0.5, CELL / 2 - 4, 0, 7); g.stroke(); g.lineWidth = 1; }
    else { g.fillStyle = c.warnfill; g.beginPath(); g.moveTo(x + 4, y + CELL - 3); g.lineTo(x + CELL - 3, y + CELL - 3); g.lineTo(x + CELL - 3, y + 4); g.fill(); }
    g.globalAlpha = 1;
  }

  function hit(event) {
    var box = area.getBoundingClientRect(), x = event.clientX - box.left - head.width, y = event.clientY - box.top - head.height;
    if (x < 0 || y < 0) return null;
    var k = Math.floor((x + area.scrollLeft) / CELL), r = Math.floor((y + area.scrollTop) / CELL);
    return r < rows.length && k < columns.length ? { r: r, c: k } : null;
  }
  function sentence(i, j) {
    var state = stateOf(i, j);
    if (state === NONE && i !== j && leftOut(i, j)) return label(i) + ' → ' + label(j) + ': not shown';
    if (state === NONE) return label(i) + (i === j ? ' itself' : ' and ' + label(j) + ' are both outside');
    var what = portsText(i, j);
    return label(i) + ' → ' + label(j) + ': ' + WORDS[state] + (what === WORDS[state] || what === 'none' ? '' : ', ' + what);
  }
  area.addEventListener('scroll', draw, { passive: true });
  area.addEventListener('mousemove', function (event) {
    var at = hit(event), tip = $('tip');
    tip.hidden = at === null;
    if (at === null) return;
    tip.textContent = sentence(rows[at.r], columns[at.c]);
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = (event.clientY + 18 + tip.offsetHeight > window.innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18) + 'px';
  });
  area.addEventListener('mouseleave', function () { $('tip').hidden = true; });
  area.addEventListener('click', function (event) {
    var at = hit(event);
    if (at === null) return;
    cursor = at;
    draw();
    open(rows[at.r], columns[at.c]);
  });
  area.addEventListener('keydown', function (event) {
    var step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], PageUp: [-20, 0], PageDown: [20, 0], Home: [0, -N], End: [0, N] }[event.key];
    if (event.key === 'Enter' && rows.length > 0 && columns.length > 0) { event.preventDefault(); open(rows[cursor.r], columns[cursor.c]); return; }
    if (!step || rows.length === 0 || columns.length === 0) return;
    event.preventDefault();
    cursor = { r: Math.max(0, Math.min(rows.length - 1, cursor.r + step[0])), c: Math.max(0, Math.min(columns.length - 1, cursor.c + step[1])) };
    var x = cursor.c * CELL, y = cursor.r * CELL;
    if (x < area.scrollLeft) area.scrollLeft = x;
    if (x + CELL > area.scrollLeft + area.clientWidth - head.width) area.scrollLeft = x + CELL - (area.clientWidth - head.width);
    if (y < area.scrollTop) area.scrollTop = y;
    if (y + CELL > area.scrollTop + area.clientHeight - head.height) area.scrollTop = y + CELL - (area.clientHeight - head.height);
    $('live').textContent = sentence(rows[cursor.r], columns[cursor.c]);
    draw();
  });
  window.addEventListener('resize', function () { draw(); fill(); });
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', function () { legend(); draw(); });

  function legend() {
    var c = colours(), box = matrix.querySelector('.legend');
    box.replaceChildren();
    var add = function (css, text) { box.append(el('span', {}, el('i', { style: css }), text)); };
    add('background:' + c.all, filter.port === null ? 'every port' : 'allowed');
    if (filter.port === null) add('background:' + c.ok + ';transform:scale(.75)', 'some ports');
    add('background:' + c.warnfill + ';clip-path:polygon(0 100%,100% 100%,100% 0)', 'some pods only');
    add('border:2px solid ' + c.warn + ';border-radius:50%', 'unspecified');
    add('background:' + c.line + ';transform:scale(.3)', 'denied');
  }
`;
