/**
 * The page's script. It is written as a string since it runs in the reader's browser, not in this program: no build step
 * stands between this text and the page, and the browser tests run it as it is. Data enters the page as text nodes only.
 */
export const PAGE_SCRIPT: string = String.raw`'use strict';
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
  function stateOf(i, j) {
    var value = values[i * N + j];
    if (value >= 2) return connStates[value - 2];
    if (value === 1) return UNKNOWN;
    if (i === j && data.peers[i][3].length === 0) return NONE;
    if (namespaceOf(i) < 0 && namespaceOf(j) < 0) return NONE;
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

  // ── table: only the rows in sight exist ──
  var LINE = 28, table = $('table'), scroller = table.querySelector('.scroll'), list = table.querySelector('.rows'), active = 0;
  var HEADS = [['src', 'From'], ['dst', 'To'], ['ports', 'Ports'], ['verdict', 'Verdict']];
  HEADS.forEach(function (entry) {
    var button = el('button', { type: 'button', 'data-key': entry[0], text: entry[1] });
    button.addEventListener('click', function () {
      order = { key: entry[0], down: order.key === entry[0] && !order.down };
      sortPairs();
      fill();
    });
    table.querySelector('.rowhead').append(button);
  });
  function named(i) {
    var text = label(i), slash = namespaceOf(i) < 0 ? -1 : text.indexOf('/'), node = el('span', { title: data.peers[i][1] });
    if (slash >= 0) node.append(el('span', { class: 'ns', text: text.slice(0, slash + 1) }));
    node.append(text.slice(slash + 1));
    return node;
  }
  function fill() {
    if (table.hidden) return;
    table.querySelectorAll('.rowhead button').forEach(function (button, k) {
      var own = order.key === HEADS[k][0];
      button.textContent = HEADS[k][1] + (own ? (order.down ? ' ↓' : ' ↑') : '');
    });
    // Browsers cannot lay out more than some millions of pixels; beyond that the last pairs want a filter.
    list.style.height = Math.min(pairs.length * LINE, 15000000) + 'px';
    table.querySelector('.empty').hidden = pairs.length > 0;
    var first = Math.max(0, Math.floor(scroller.scrollTop / LINE) - 6);
    var last = Math.min(pairs.length, first + Math.ceil(scroller.clientHeight / LINE) + 14);
    var nodes = [];
    for (var p = first; p < last; p++) {
      var i = Math.floor(pairs[p] / N), j = pairs[p] % N, state = stateOf(i, j), ports = portsText(i, j);
      nodes.push(el('div', { class: 'row', role: 'option', id: 'pair' + p, 'data-pair': p, 'aria-selected': String(p === active), 'aria-posinset': p + 1, 'aria-setsize': pairs.length, style: 'top:' + p * LINE + 'px' },
        named(i), named(j), el('span', { text: ports, title: ports }), el('span', { class: 'verdict ' + CSS[state], text: WORDS[state] })));
    }
    list.replaceChildren.apply(list, nodes);
    list.setAttribute('aria-activedescendant', pairs.length > 0 ? 'pair' + active : '');
  }
  scroller.addEventListener('scroll', fill, { passive: true });
  list.addEventListener('click', function (event) {
    var row = event.target.closest('.row');
    if (row === null) return;
    active = Number(row.dataset.pair);
    fill();
    open(Math.floor(pairs[active] / N), pairs[active] % N);
  });
  list.addEventListener('keydown', function (event) {
    var step = { ArrowUp: -1, ArrowDown: 1, PageUp: -20, PageDown: 20, Home: -pairs.length, End: pairs.length }[event.key];
    if (event.key === 'Enter' && pairs.length > 0) { event.preventDefault(); open(Math.floor(pairs[active] / N), pairs[active] % N); return; }
    if (step === undefined) return;
    event.preventDefault();
    active = Math.max(0, Math.min(pairs.length - 1, active + step));
    var y = active * LINE;
    if (y < scroller.scrollTop) scroller.scrollTop = y;
    if (y + LINE + 34 > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = y + LINE + 34 - scroller.clientHeight;
    fill();
  });

  // ── why ──
  function open(i, j) {
    selected = [i, j];
    var panel = $('why'), state = stateOf(i, j);
    panel.hidden = false;
    var close = el('button', { type: 'button', class: 'close', text: 'Close' });
    close.addEventListener('click', shut);
    panel.replaceChildren(close, el('h2', { text: label(i) + ' → ' + label(j) }));
    if (state === NONE) {
      panel.append(el('p', { text: i === j ? 'A pod always reaches itself.' : 'Nothing in the cluster decides about traffic between two addresses outside.' }));
    } else {
      var ports = portsText(i, j), asked = filter.port === null ? '' : ' on ' + $('ports').value.trim();
      panel.append(el('p', {}, el('span', { class: 'verdict ' + CSS[state], text: WORDS[state] + asked }), ports === WORDS[state] || ports === 'none' ? '' : ' · ' + ports));
      reasons(panel, i, j);
    }
    [i, j].forEach(function (peer) {
      var members = data.peers[peer][3];
      if (members.length === 0) return;
      panel.append(el('h3', { text: members.length + ' peers alike' }), el('p', { text: members.slice(0, 200).join(', ') + (members.length > 200 ? ', …' : '') }));
    });
    $('live').textContent = sentence(i, j);
    draw();
  }
  function shut() {
    $('why').hidden = true;
    selected = null;
    draw();
  }
  function endpointName(i) {
    return data.peers[i][1].replace(/\[[A-Za-z0-9]+\]$/, '').replace(/^([0-9a-f.:]+)-.*$/, '$1');
  }
  function quote(text) { return /^[A-Za-z0-9_.:/-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'"; }
  function reasons(panel, i, j) {
    var why = data.why;
    var index = why === null || why.source[i] < 0 || why.destination[j] < 0 ? -1 : why.table[why.source[i] * why.width + why.destination[j]];
    if (index === undefined || index < 0) {
      panel.append(el('p', { class: 'ns', text: 'Ask for the reasons with' }), el('p', {}, el('code', { text: 'rampart explain ' + quote(endpointName(i)) + ' ' + quote(endpointName(j)) + ' -f …' })));
      return;
    }
    var groups = new Map();
    why.cells[index].forEach(function (slice) {
      var key = slice[3] + ' ' + slice[4];
      if (!groups.has(key)) groups.set(key, { egress: slice[3], ingress: slice[4], slices: [] });
      groups.get(key).slices.push(slice);
    });
    var list = Array.from(groups.values());
    if (filter.port !== null && filter.port.port !== null) {
      var want = filter.port;
      // A port without protocol is most likely meant to be TCP.
      var has = function (group) {
        return group.slices.reduce(function (best, s) {
          var fits = (want.protocol === null || want.protocol === s[0]) && s[1] <= want.port && want.port <= s[2];
          return Math.max(best, fits ? (s[0] === 0 ? 2 : 1) : 0);
        }, 0);
      };
      list.sort(function (a, b) { return has(b) - has(a); });
    } else list.sort(function (a, b) { return outcome(b) === 'allowed' ? (outcome(a) === 'allowed' ? 0 : 1) : outcome(a) === 'allowed' ? -1 : 0; });
    list.forEach(function (group) {
      var egress = why.ends[group.egress], ingress = why.ends[group.ingress];
      var both = outcome(group);
      panel.append(el('h3', {}, el('span', { class: 'verdict ' + both, text: both === 'undefined' ? 'unspecified' : both }), ' ' + slicesText(group.slices)));
      end(panel, 'egress at ' + label(i), egress);
      end(panel, 'ingress at ' + label(j), ingress);
    });
  }
  function outcome(group) {
    var ends = [data.why.ends[group.egress][0], data.why.ends[group.ingress][0]];
    return ends.indexOf('denied') >= 0 ? 'denied' : ends.indexOf('undefined') >= 0 ? 'undefined' : 'allowed';
  }
  function slicesText(slices) {
    var full = 0, parts = [];
    [0, 1, 2].forEach(function (protocol) {
      var own = slices.filter(function (s) { return s[0] === protocol; }).sort(function (a, b) { return a[1] - b[1]; });
      if (own.length === 0) return;
      var merged = [];
      own.forEach(function (s) {
        var last = merged[merged.length - 1];
        if (last && last[1] + 1 >= s[1]) last[1] = Math.max(last[1], s[2]);
        else merged.push([s[1], s[2]]);
      });
      var every = merged.length === 1 && merged[0][0] <= 1 && merged[0][1] === 65535;
      if (every) full++;
      parts.push(PROTOCOLS[protocol] + ' ' + (every ? 'all' : merged.map(function (m) { return m[0] === m[1] ? m[0] : m[0] + '-' + m[1]; }).join(',')));
    });
    return full === 3 ? 'every port' : parts.join(' ');
  }
  function end(panel, title, value) {
    panel.append(el('h4', {}, title + ' ', el('span', { class: 'verdict ' + value[0], text: value[0] })));
    if (value[1] !== null) panel.append(el('code', { text: value[1] }));
    var items = value[2].map(function (index) {
      var reason = data.why.reasons[index];
      return el('li', { class: reason[0] === 'near-miss' ? 'near' : '' }, reason[1],
        reason[2] === '' ? null : el('span', { class: 'place', text: reason[2] }),
        reason[3] === '' ? null : el('span', { class: 'place', text: reason[3] }));
    });
    if (items.length > 0) { var ul = el('ul'); ul.append.apply(ul, items); panel.append(ul); }
  }

  // ── exposure, notes ──
  function grid(heads, lines) {
    var head = el('tr'), body = el('tbody');
    heads.forEach(function (text) { head.append(el('th', { scope: 'col', text: text })); });
    lines.forEach(function (line) {
      var row = el('tr');
      line.forEach(function (text) { row.append(el('td', { text: String(text) })); });
      body.append(row);
    });
    return el('table', {}, el('thead', {}, head), body);
  }
  function exposure() {
    if (data.exposure === null) return;
    var page = $('exposure').querySelector('.page');
    page.append(el('h2', { text: 'Who could reach each workload, and where it could go' }), grid(['Workload', 'Direction', 'Peer', 'Ports'], data.exposure.rows));
    ['ingress', 'egress'].forEach(function (direction) {
      var open = data.exposure.unprotected[direction];
      if (open.length > 0) page.append(el('h2', { text: 'No policy restricts ' + direction + ' of' }), grid(['Workloads'], open.map(function (text) { return [text]; })));
    });
  }
  function notes() {
    var page = $('notes').querySelector('.page'), add = function (title, heads, lines) {
      if (lines.length > 0) page.append(el('h2', { text: title }), grid(heads, lines));
    };
    add('From ingress controllers', ['Workload', 'Ports'], data.ingress);
    add('Between replicas of one workload', ['Workload', 'Ports'], data.replicas);
    add('Unspecified because', ['Missing fact', 'Pairs'], data.because);
    add('Findings', ['Severity', 'Code', 'Message', 'Place', 'Help'], data.diagnostics);
    return page.childNodes.length > 0;
  }

  // ── tabs, filters ──
  var TABS = [['matrix', 'Matrix'], ['table', 'Table']];
  if (data.exposure !== null) TABS.push(['exposure', 'Exposure']);
  exposure();
  if (notes()) TABS.push(['notes', 'Notes']);
  TABS.forEach(function (tab, at) {
    var button = el('button', { type: 'button', role: 'tab', id: 'tab-' + tab[0], 'aria-controls': tab[0], text: tab[1] });
    button.addEventListener('click', function () { show(tab[0]); });
    button.addEventListener('keydown', function (event) {
      var step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (step === 0) return;
      var next = TABS[(at + step + TABS.length) % TABS.length][0];
      show(next);
      $('tab-' + next).focus();
    });
    $('tabs').append(button);
  });
  function show(name) {
    TABS.forEach(function (tab) {
      $(tab[0]).hidden = tab[0] !== name;
      $('tab-' + tab[0]).setAttribute('aria-selected', String(tab[0] === name));
      $('tab-' + tab[0]).tabIndex = tab[0] === name ? 0 : -1;
    });
    fill();
    draw();
  }
  document.querySelector('.skip').addEventListener('click', function (event) { event.preventDefault(); show('table'); list.focus(); });

  ['from', 'to'].forEach(function (id) {
    var select = $(id);
    select.append(el('option', { value: '', text: 'anything' }));
    data.namespaces.forEach(function (name, i) { select.append(el('option', { value: String(i), text: name })); });
    if (data.peers.some(function (peer) { return peer[2] < 0; })) select.append(el('option', { value: '-1', text: 'outside the cluster' }));
  });

  function words(text) { return text.toLowerCase().split(/\s+/).filter(function (word) { return word !== ''; }); }
  function readPort(text) {
    if (text === '') return null;
    var match = /^(?:(tcp|udp|sctp)[\s/:]*)?(\d{1,5})?(?:[\s/:]*(tcp|udp|sctp))?$/i.exec(text);
    if (match !== null && !(match[1] && match[3])) {
      var protocol = match[1] || match[3];
      var port = match[2] === undefined ? null : Number(match[2]);
      if (port !== null && (port < 1 || port > 65535)) return undefined;
      if (protocol || port !== null) return { protocol: protocol ? PROTOCOLS.indexOf(protocol.toUpperCase()) : null, port: port, name: null };
    }
    return /^[a-z0-9-]*[a-z][a-z0-9-]*$/i.test(text) ? { protocol: null, port: null, name: text } : undefined;
  }
  function apply() {
    var search = $('search').value, ends = search.split(/->|→|>/), port = readPort($('ports').value.trim());
    $('ports').setAttribute('aria-invalid', String(port === undefined));
    filter = {
      words: ends.length === 2 ? [] : words(search),
      source: ends.length === 2 ? words(ends[0]) : [],
      destination: ends.length === 2 ? words(ends[1]) : [],
      from: $('from').value, to: $('to').value, verdict: $('verdict').value,
      port: port === undefined ? null : port,
    };
    compute();
    cursor = { r: 0, c: 0 };
    active = 0;
    scroller.scrollTop = 0;
    area.scrollTop = 0;
    area.scrollLeft = 0;
    legend();
    layout();
    fill();
    $('live').textContent = pairs.length + ' pairs';
    if (selected !== null) open(selected[0], selected[1]);
  }
  var waiting = 0;
  function soon() { clearTimeout(waiting); waiting = setTimeout(apply, N > 300 ? 180 : 40); }
  ['search', 'ports'].forEach(function (id) { $(id).addEventListener('input', soon); });
  ['from', 'to', 'verdict'].forEach(function (id) { $(id).addEventListener('change', apply); });
  $('filters').addEventListener('submit', function (event) { event.preventDefault(); apply(); });
  $('filters').addEventListener('reset', function () { setTimeout(apply, 0); });
  document.addEventListener('keydown', function (event) {
    if (event.key === 'Escape') shut();
    var typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === '/' && !typing) { event.preventDefault(); $('search').focus(); }
  });

  function figure(css, number, text) { return el('span', { class: css }, el('b', { text: number.toLocaleString('en') }), ' ' + text); }
  var n = data.counts, figures = $('figures');
  figures.append(figure('', n.workloads, 'workloads'), figure('ok', n.allowed, 'pairs allowed'), figure('', n.everyPort, 'on every port'));
  if (n.partly > 0) figures.append(figure('warn', n.partly, 'for some pods only'));
  if (n.unspecified > 0) figures.append(figure('warn', n.unspecified, 'unspecified'));
  figures.append(figure('bad', n.denied, 'denied'));

  measure();
  apply();
  show('matrix');
})();
`;
