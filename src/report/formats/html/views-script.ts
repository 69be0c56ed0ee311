/** The rest of the page's script: table, reasons, exposure and notes, then the controls; it runs inside of the same function. */
export const VIEWS_SCRIPT: string = String.raw`
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
      panel.append(el('p', { text: i === j ? 'A pod always reaches itself.' : leftOut(i, j) ? 'Neither of the two is shown, so this report says nothing about them.' : 'Nothing in the cluster decides about traffic between two addresses outside.' }));
    } else {
      var ports = portsText(i, j), asked = filter.port === null ? '' : ' on ' + $('ports').value.trim();
      panel.append(el('p', {}, el('span', { class: 'verdict ' + CSS[state], text: WORDS[state] + asked }), ports === WORDS[state] || ports === 'none' ? '' : ' · ' + ports));
      if (ports.indexOf('some pods: ') >= 0 && data.someNote !== null) panel.append(el('p', { class: 'ns', text: data.someNote }));
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
    var from = why === null ? -1 : why.classOf[i], to = why === null ? -1 : why.classOf[j];
    var sends = from < 0 || to < 0 ? -1 : storyAt('egress', from, to), admits = sends < 0 ? -1 : storyAt('ingress', to, from);
    if (sends < 0 || admits < 0) {
      panel.append(el('p', { class: 'ns', text: 'Ask for the reasons with' }), el('p', {}, el('code', { text: 'rampart explain ' + quote(endpointName(i)) + ' ' + quote(endpointName(j)) + ' -f …' })));
      return;
    }
    var groups = new Map();
    [0, 1, 2].forEach(function (protocol) {
      slicesOf(protocol, why.stories[sends][protocol], why.stories[admits][protocol]).forEach(function (slice) {
        var key = slice[3] + ' ' + slice[4];
        if (!groups.has(key)) groups.set(key, { egress: slice[3], ingress: slice[4], slices: [] });
        groups.get(key).slices.push(slice);
      });
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
  // The story of one class about another one; tables are unpacked when they are first asked.
  var unpacked = {};
  function storyAt(direction, own, peer) {
    if (!unpacked[direction]) {
      var values = [], runs = data.why[direction];
      for (var at = 0; at < runs.length; at += 2) for (var n = 0; n < runs[at + 1]; n++) values.push(runs[at]);
      unpacked[direction] = values;
    }
    return unpacked[direction][own * data.why.width + peer];
  }
  // Ports on which neither end changes: [protocol, first, last, egress, ingress].
  function slicesOf(protocol, egress, ingress) {
    var out = [], e = 0, i = 0, first = 1;
    while (first <= 65535) {
      var last = Math.min(e + 2 < egress.length ? egress[e + 2] : 65536, i + 2 < ingress.length ? ingress[i + 2] : 65536) - 1;
      out.push([protocol, first, last, egress[e + 1], ingress[i + 1]]);
      if (egress[e + 2] === last + 1) e += 2;
      if (ingress[i + 2] === last + 1) i += 2;
      first = last + 1;
    }
    return out;
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
  function quoting(strings, reason) {
    if (reason.length === 4) return strings[reason[3]];
    var quote = String.fromCharCode(96);
    return strings[reason[3]].split(quote).reduce(function (text, part, n) { return text + quote + strings[reason[n + 3]] + quote + part; });
  }
  function end(panel, title, value) {
    panel.append(el('h4', {}, title + ' ', el('span', { class: 'verdict ' + value[0], text: value[0] })));
    if (value[1] !== null) panel.append(el('code', { text: data.why.strings[value[1]] }));
    var items = value[2].map((index) => {
      var reason = data.why.reasons[index];
      var strings = data.why.strings, what = strings[reason[1]], place = strings[reason[2]];
      return el('li', { class: strings[reason[0]] === 'near-miss' ? 'near' : '' }, quoting(strings, reason),
        what === '' ? null : el('span', { class: 'place', text: what }),
        place === '' ? null : el('span', { class: 'place', text: place }));
    });
    if (items.length > 0) { var ul = el('ul'); ul.append.apply(ul, items); panel.append(ul); }
  }

  // ── exposure, notes ──
  function grid(heads, lines) {
    var head = el('tr'), body = el('tbody');
    heads.forEach((text) => { head.append(el('th', { scope: 'col', text: text })); });
    lines.forEach((line) => {
      var row = el('tr');
      line.forEach((text) => { row.append(el('td', { text: String(text) })); });
      body.append(row);
    });
    return el('table', {}, el('thead', {}, head), body);
  }
  function exposure() {
    if (data.exposure === null) return;
    var page = $('exposure').querySelector('.page');
    page.append(el('h2', { text: 'Who could reach each workload, and where it could go' }), grid(['Workload', 'Direction', 'Peer', 'Ports'], data.exposure.rows));
    ['ingress', 'egress'].forEach((direction) => {
      var open = data.exposure.unprotected[direction];
      if (open.length > 0) page.append(el('h2', { text: 'No policy restricts ' + direction + ' of' }), grid(['Workloads'], open.map((text) => [text])));
    });
  }
  function notes() {
    var page = $('notes').querySelector('.page'), add = (title, heads, lines) => {
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
  TABS.forEach((tab, at) => {
    var button = el('button', { type: 'button', role: 'tab', id: 'tab-' + tab[0], 'aria-controls': tab[0], text: tab[1] });
    button.addEventListener('click', () => { show(tab[0]); });
    button.addEventListener('keydown', (event) => {
      var step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
      if (step === 0) return;
      var next = TABS[(at + step + TABS.length) % TABS.length][0];
      show(next);
      $('tab-' + next).focus();
    });
    $('tabs').append(button);
  });
  function show(name) {
    TABS.forEach((tab) => {
      $(tab[0]).hidden = tab[0] !== name;
      $('tab-' + tab[0]).setAttribute('aria-selected', String(tab[0] === name));
      $('tab-' + tab[0]).tabIndex = tab[0] === name ? 0 : -1;
    });
    fill();
    draw();
  }
  document.querySelector('.skip').addEventListener('click', (event) => { event.preventDefault(); show('table'); list.focus(); });

  ['from', 'to'].forEach((id) => {
    var select = $(id);
    select.append(el('option', { value: '', text: 'anything' }));
    data.namespaces.forEach((name, i) => { select.append(el('option', { value: String(i), text: name })); });
    if (data.peers.some((peer) => peer[2] < 0)) select.append(el('option', { value: '-1', text: 'outside the cluster' }));
  });

  function words(text) { return text.toLowerCase().split(/\s+/).filter((word) => word !== ''); }
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
  ['search', 'ports'].forEach((id) => { $(id).addEventListener('input', soon); });
  ['from', 'to', 'verdict'].forEach((id) => { $(id).addEventListener('change', apply); });
  $('filters').addEventListener('submit', (event) => { event.preventDefault(); apply(); });
  $('filters').addEventListener('reset', () => { setTimeout(apply, 0); });
  document.addEventListener('keydown', (event) => {
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
