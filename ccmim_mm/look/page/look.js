'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const $ = (id) => document.getElementById(id);
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const signed = (text) => new Int8Array(bytes(text).buffer);
  const make = (name, attributes = {}, ...children) => {
    const svg = ['svg', 'circle', 'text', 'line'].includes(name);
    const node = svg
      ? document.createElementNS('http://www.w3.org/2000/svg', name)
      : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
      else if (value !== null) node.setAttribute(key, value);
    }
    node.append(...children);
    return node;
  };

  // Of every view: typed arrays, and pictures that a canvas takes.
  const views = data.views.map((view) => ({
    ...view,
    L: view.grid ? view.grid[0] * view.grid[1] : 0,
    attention: view.attention && bytes(view.attention),
    colours: view.colours && bytes(view.colours),
    compact: view.compact && signed(view.compact),
    likeness: signed(view.likeness),
    predictions: view.predictions.map((p) => ({
      mask: bytes(p.mask), pictures: p.pictures.map(load),
    })),
    pictures: view.pictures.map(load),
  }));
  function load(source) {
    const image = new Image();
    image.src = source;
    image.addEventListener('load', later);
    return image;
  }
  let waiting = false;
  function later() {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => { waiting = false; draw(); });
    }
  }

  const state = {
    tab: 'attention', layer: -1, head: -1, blend: 0.65, draw: 1,
    sampler: '', ratio: 0.75, variant: 'pasted', prediction: 0,
    query: null, chosen: '', painted: {},
  };
  const first = views[0];
  const scored = views.find((v) => v.scores);
  if (scored) {
    state.sampler = 'own';
    state.ratio = scored.ratio;
  } else {
    state.sampler = 'RandomMaskSampler';
  }

  const TABS = {
    attention: ['Attention', () => views.some((v) => v.attention),
      'What the CLS token attends to, of each patch, in one layer and head or '
      + 'on average. Each map is stretched to its own largest value.'],
    masks: ['Masks', () => views.some((v) => v.L),
      'Which patches a mask sampler hides. All encoders get the same noise. '
      + 'Click patches, or move with the arrow keys and press '
      + 'Enter, to paint a mask of your own.'],
    prediction: ['Prediction', () => views.some((v) => v.predictions.length),
      'What the decoder predicts behind masks that were drawn when this file '
      + 'was written: another mask needs the network '
      + '(ccmim_mm.load(...).explain).'],
    features: ['Features', () => views.some((v) => v.colours),
      'Features of patches: their three main directions over all pictures as '
      + 'red, green and blue, each pointing to where pictures are brighter.'],
    similarity: ['Similarity', () => views.some((v) => v.compact),
      'Click a patch (or arrow keys and Enter): how alike it is to all '
      + 'patches of all pictures, by the cosine of features without their '
      + 'mean.'],
    neighbours: ['Neighbours', () => true,
      'The most alike pictures of the folder, by the cosine of features of '
      + 'whole pictures without their mean.'],
    map: ['Map', () => true,
      'Pictures of the folder by the two main directions of their features, '
      + 'coloured by their folder.'],
    curves: ['Curves', () => views.some((v) => v.curves),
      'The run that made the checkpoint.'],
  };
  const PALETTE = ['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd',
    '#8c564b', '#e377c2', '#7f7f7f', '#bcbd22', '#17becf', '#393b79',
    '#637939', '#8c6d31', '#843c39', '#7b4173', '#3182bd'];

  function uniform(seed) {
    // mulberry32
    let a = seed >>> 0;
    return () => {
      a = (a + 0x6D2B79F5) | 0;
      let t = Math.imul(a ^ (a >>> 15), 1 | a);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }
  const PRIORITY = {
    AdditiveNoiseMaskSampler: (s, u) => s - u,
    GumbelMaskSampler: (s, u) => s - Math.log(-Math.log(
      Math.min(Math.max(u, 1e-7), 1 - 1e-7))),
    TopKMaskSampler: (s) => s,
    RandomMaskSampler: (s, u) => u,
  };
  function samplerOf(view) {
    const name = state.sampler === 'own' ? view.sampler : state.sampler;
    return PRIORITY[name] && (view.scores || name === 'RandomMaskSampler')
      ? name : 'RandomMaskSampler';
  }
  function maskOf(view, n) {
    const painted = state.painted[`${n} ${view.grid}`];
    if (painted) return painted;
    const next = uniform(state.draw * 7919 + n);
    const rule = PRIORITY[samplerOf(view)];
    const order = Array.from({length: view.L}, (_, i) => [
      rule(view.scores ? view.scores[n][i] : 0, next()), i]);
    order.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
    const mask = new Uint8Array(view.L).fill(1);
    const visible = Math.floor(view.L * (1 - state.ratio));
    for (let i = 0; i < visible; i += 1) mask[order[i][1]] = 0;
    return mask;
  }
  function paint(view, n, patch) {
    const mask = Uint8Array.from(maskOf(view, n));
    mask[patch] = 1 - mask[patch];
    state.painted[`${n} ${view.grid}`] = mask;
    state.chosen = `${n} ${view.grid}`;
    say(`Patch ${patch} of ${data.names[n]} is ${mask[patch] ? 'hidden' : 'visible'}.`);
  }

  function attentionOf(view, n) {
    const {layers, heads, L} = view;
    const mean = new Float32Array(L);
    const some = (choice, count) => (choice < 0 || choice >= count
      ? [...Array(count).keys()] : [choice]);
    const chosen = some(state.layer, layers);
    const picked = some(state.head, heads);
    for (const layer of chosen) {
      for (const head of picked) {
        const map = (n * layers + layer) * heads + head;
        const scale = view.peaks[map] / 255 / chosen.length / picked.length;
        for (let i = 0; i < L; i += 1) mean[i] += view.attention[map * L + i] * scale;
      }
    }
    return mean;
  }
  function similarityOf(view, v, n) {
    const query = state.query;
    const d = view.directions;
    const other = views[query.view];
    // The same place, where grids differ.
    const row = Math.floor((query.row + 0.5) * view.grid[0] / other.grid[0]);
    const column = Math.floor((query.column + 0.5) * view.grid[1] / other.grid[1]);
    const at = query.n * view.L + row * view.grid[1] + column;
    const values = new Float32Array(view.L);
    for (let i = 0; i < view.L; i += 1) {
      let sum = 0;
      for (let k = 0; k < d; k += 1) {
        sum += view.compact[at * d + k] * view.compact[(n * view.L + i) * d + k];
      }
      values[i] = sum / 16129;
    }
    return {values, mark: n === query.n ? at - n * view.L : -1};
  }
  const colour = (share) => {
    const last = data.colours.length - 1;
    return data.colours[Math.max(0, Math.min(last, Math.round(share * last)))];
  };

  function heat(context, view, values, low, high, alpha) {
    const [rows, columns] = view.grid;
    const {width, height} = context.canvas;
    context.globalAlpha = alpha;
    for (let i = 0; i < view.L; i += 1) {
      const [r, g, b] = colour((values[i] - low) / Math.max(high - low, 1e-12));
      cell(context, i, rows, columns, width, height, `rgb(${r},${g},${b})`);
    }
    context.globalAlpha = 1;
  }
  function cell(context, i, rows, columns, width, height, fill) {
    const x = Math.round((i % columns) * width / columns);
    const y = Math.round(Math.floor(i / columns) * height / rows);
    const right = Math.round((i % columns + 1) * width / columns);
    const bottom = Math.round((Math.floor(i / columns) + 1) * height / rows);
    context.fillStyle = fill;
    context.fillRect(x, y, right - x, bottom - y);
    return [x, y, right - x, bottom - y];
  }
  function outline(context, view, i, style) {
    const [rows, columns] = view.grid;
    const {width, height} = context.canvas;
    context.strokeStyle = style;
    context.lineWidth = 2;
    context.strokeRect((i % columns) * width / columns + 1,
      Math.floor(i / columns) * height / rows + 1,
      width / columns - 2, height / rows - 2);
  }
  function hide(context, view, mask, image) {
    const [rows, columns] = view.grid;
    const {width, height} = context.canvas;
    for (let i = 0; i < view.L; i += 1) {
      if (!mask[i]) continue;
      const [x, y, w, h] = cell(context, i, rows, columns, width, height, '#808080');
      if (image && image.complete) {
        const [sx, sy] = [image.naturalWidth / width, image.naturalHeight / height];
        context.drawImage(image, x * sx, y * sy, w * sx, h * sy, x, y, w, h);
      }
    }
  }

  const canvases = [];
  function render(entry) {
    const {view, v, n, canvas} = entry;
    const context = canvas.getContext('2d');
    const image = view.pictures[n];
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (image.complete) context.drawImage(image, 0, 0, canvas.width, canvas.height);
    const tab = state.tab;
    if (tab === 'attention' && view.attention) {
      const map = attentionOf(view, n);
      const peak = Math.max(...map);
      heat(context, view, map, 0, peak, state.blend);
      entry.tag.textContent = `${view.name}: 0 to ${peak.toPrecision(2)}`;
    } else if (tab === 'masks' && view.L) {
      hide(context, view, maskOf(view, n));
      const name = samplerOf(view);
      entry.tag.textContent = `${view.name}: ${state.painted[`${n} ${view.grid}`] ? 'painted' : name}`;
    } else if (tab === 'prediction' && view.predictions.length) {
      const drawn = view.predictions[state.prediction % view.predictions.length];
      const mask = drawn.mask.subarray(n * view.L, (n + 1) * view.L);
      const whole = drawn.pictures[n];
      if (state.variant === 'predicted') {
        if (whole.complete) context.drawImage(whole, 0, 0, canvas.width, canvas.height);
      } else {
        hide(context, view, mask, state.variant === 'pasted' ? whole : null);
      }
      entry.tag.textContent = view.name;
    } else if (tab === 'features' && view.colours) {
      context.globalAlpha = state.blend;
      for (let i = 0; i < view.L; i += 1) {
        const at = (n * view.L + i) * 3;
        cell(context, i, ...view.grid, canvas.width, canvas.height,
          `rgb(${view.colours[at]},${view.colours[at + 1]},${view.colours[at + 2]})`);
      }
      context.globalAlpha = 1;
      entry.tag.textContent = view.name;
    } else if (tab === 'similarity' && view.compact && state.query) {
      const {values, mark} = similarityOf(view, v, n);
      heat(context, view, values, -1, 1, state.blend);
      if (mark >= 0) outline(context, view, mark, '#ff2d55');
      entry.tag.textContent = view.name;
    } else {
      entry.tag.textContent = view.name;
    }
    if (document.activeElement === canvas && view.L && ['masks', 'similarity'].includes(tab)) {
      outline(context, view, entry.cursor, '#2a6fdb');
    }
    entry.near.replaceChildren();
    if (tab === 'neighbours') entry.near.append(...neighbours(view, n));
  }
  // Which of the others a picture is, by its name.
  const place = new Map(data.others.map((o, i) => [o.name, i]));
  function neighbours(view, n) {
    const count = data.others.length;
    const own = place.get(data.names[n]);
    if (own === undefined) return [make('span', {}, 'not among the pictures')];
    return Array.from({length: count}, (_, i) => i)
      .filter((i) => i !== own)
      .sort((a, b) => view.likeness[own * count + b] - view.likeness[own * count + a])
      .slice(0, 8)
      .map((i) => {
        const other = data.others[i];
        const cosine = (view.likeness[own * count + i] / 127).toFixed(2);
        return make('div', {title: `${other.name}, cosine ${cosine}`},
          make('img', {src: other.thumb, alt: other.name}),
          make('span', {}, other.label || cosine));
      });
  }
  function draw() {
    for (const entry of canvases) render(entry);
  }
  function say(text) { $('status').textContent = text; }

  function act(entry, patch) {
    const {view, v, n} = entry;
    if (state.tab === 'masks' && view.L) {
      paint(view, n, patch);
      controls();
    } else if (state.tab === 'similarity' && view.compact) {
      const columns = view.grid[1];
      state.query = {
        view: v, n, row: Math.floor(patch / columns), column: patch % columns};
      say(`Compared with row ${state.query.row + 1}, column ${state.query.column + 1} of ${data.names[n]}.`);
    }
    draw();
  }
  function pressed(event, entry) {
    const {view} = entry;
    if (!view.L) return;
    const [rows, columns] = view.grid;
    const step = {ArrowRight: [0, 1], ArrowLeft: [0, -1],
      ArrowDown: [1, 0], ArrowUp: [-1, 0]}[event.key];
    if (step) {
      const row = Math.floor(entry.cursor / columns) + step[0];
      const column = entry.cursor % columns + step[1];
      entry.cursor = Math.max(0, Math.min(rows - 1, row)) * columns
        + Math.max(0, Math.min(columns - 1, column));
      render(entry);
    } else if (event.key === 'Enter' || event.key === ' ') {
      act(entry, entry.cursor);
    } else {
      return;
    }
    event.preventDefault();
  }
  function build() {
    data.names.forEach((name, n) => {
      const figure = make('figure');
      views.forEach((view, v) => {
        const [height, width] = view.size;
        const scale = Math.max(1, Math.round(184 / width));
        const canvas = make('canvas', {
          width: width * scale, height: height * scale, tabindex: 0, role: 'img',
          'aria-label': `${name}, ${view.name}`});
        const entry = {view, v, n, canvas, cursor: 0,
          tag: make('span', {class: 'tag'}), near: make('div', {class: 'near'})};
        canvas.addEventListener('click', (event) => {
          if (!view.L) return;
          const box = canvas.getBoundingClientRect();
          const [rows, columns] = view.grid;
          const column = Math.min(columns - 1, Math.max(0, Math.floor(
            (event.clientX - box.left) / box.width * columns)));
          const row = Math.min(rows - 1, Math.max(0, Math.floor(
            (event.clientY - box.top) / box.height * rows)));
          entry.cursor = row * columns + column;
          act(entry, entry.cursor);
        });
        canvas.addEventListener('keydown', (event) => pressed(event, entry));
        canvas.addEventListener('focus', () => render(entry));
        canvas.addEventListener('blur', () => render(entry));
        canvases.push(entry);
        figure.append(make('div', {}, canvas, entry.tag, entry.near));
      });
      figure.append(make('figcaption', {}, name));
      $('cards').append(figure);
    });
  }

  function choice(label, key, options, convert = String) {
    const select = make('select', {name: key, onchange: (event) => {
      state[key] = convert(event.target.value);
      draw();
    }});
    for (const [value, text] of options) {
      const option = make('option', {value}, text);
      option.selected = String(state[key]) === String(value);
      select.append(option);
    }
    return make('label', {}, label, select);
  }
  function slider(label, key, low, high, step) {
    const shown = make('output', {}, String(state[key]));
    const input = make('input', {
      type: 'range', name: key, min: low, max: high, step, value: state[key],
      oninput: (event) => {
        state[key] = Number(event.target.value);
        shown.textContent = event.target.value;
        draw();
      }});
    return make('label', {}, label, input, shown);
  }
  function controls() {
    const parts = [];
    const numbers = (count) => Array.from({length: count}, (_, i) => [i, i + 1]);
    if (state.tab === 'attention') {
      const most = (key) => Math.max(...views.map((v) => v[key] || 0));
      parts.push(
        choice('layer', 'layer', [[-1, 'all'], ...numbers(most('layers'))], Number),
        choice('head', 'head', [[-1, 'mean'], ...numbers(most('heads'))], Number));
    }
    if (state.tab === 'masks') {
      const own = scored ? [['own', `its own (${scored.sampler})`]] : [];
      const known = Object.keys(PRIORITY).filter((name) => scored || name === 'RandomMaskSampler');
      parts.push(
        choice('sampler', 'sampler', [...own, ...known.map((name) => [name, name])]),
        slider('share hidden', 'ratio', 0.05, 0.95, 0.05),
        make('button', {type: 'button', name: 'again', onclick: () => {
          state.draw += 1;
          state.painted = {};
          controls();
          draw();
          say(`Mask number ${state.draw}.`);
          document.querySelector('button[name=again]').focus();
        }}, 'draw another'));
      const mask = state.painted[state.chosen];
      if (mask) {
        parts.push(make('label', {}, 'as mask= of explain()',
          make('textarea', {readonly: '', name: 'mask'}, `[[${[...mask].join(',')}]]`)));
      }
    }
    if (state.tab === 'prediction') {
      const most = Math.max(...views.map((v) => v.predictions.length));
      parts.push(
        choice('show', 'variant', [['masked', 'what it sees'],
          ['predicted', 'what it predicts'], ['pasted', 'both']]),
        choice('mask', 'prediction', numbers(most), Number));
    }
    if (['attention', 'features', 'similarity'].includes(state.tab)) {
      parts.push(slider('opacity', 'blend', 0, 1, 0.05));
    }
    $('controls').replaceChildren(...parts);
  }
  function bar() {
    const ends = {attention: ['0', 'the most of a picture'],
      similarity: ['-1', '1 (cosine)']}[state.tab];
    $('bar').hidden = !ends;
    if (!ends) return;
    const canvas = make('canvas', {width: data.colours.length, height: 1, role: 'img',
      'aria-label': `colours from ${ends[0]} to ${ends[1]}`});
    const context = canvas.getContext('2d');
    data.colours.forEach(([r, g, b], i) => {
      context.fillStyle = `rgb(${r},${g},${b})`;
      context.fillRect(i, 0, 1, 1);
    });
    $('bar').replaceChildren(ends[0], canvas, ends[1]);
  }

  function scatter(view) {
    const labels = [...new Set(data.others.map((o) => o.label))].sort();
    const [w, h, edge] = [460, 380, 46];
    const svg = make('svg', {viewBox: `0 0 ${w} ${h}`, width: w, height: h,
      role: 'group', 'aria-label': `map of ${view.name}`});
    const axis = [0, 1].map((k) => {
      const values = view.map.map((p) => p[k] || 0);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const span = Math.max(high - low, 1e-9);
      return (value) => (value - low) / span;
    });
    const peek = make('div', {class: 'peek'}, 'Point at a picture.');
    svg.append(
      make('line', {x1: edge, y1: h - edge, x2: w - 8, y2: h - edge, stroke: 'currentColor'}),
      make('line', {x1: edge, y1: 8, x2: edge, y2: h - edge, stroke: 'currentColor'}));
    const share = (k) => `${(100 * (view.shares[k] || 0)).toFixed(0)} % of the spread`;
    svg.append(
      make('text', {x: w / 2, y: h - 14, 'text-anchor': 'middle', fill: 'currentColor', 'font-size': 13},
        `1st direction of ${view.feature} (${share(0)})`),
      make('text', {x: 16, y: h / 2, 'text-anchor': 'middle', fill: 'currentColor', 'font-size': 13,
        transform: `rotate(-90 16 ${h / 2})`}, `2nd (${share(1)})`));
    data.others.forEach((other, i) => {
      const show = () => peek.replaceChildren(
        make('img', {src: other.thumb, alt: ''}), other.name);
      const dot = make('circle', {
        cx: edge + 8 + axis[0](view.map[i][0] || 0) * (w - edge - 24),
        cy: h - edge - 8 - axis[1](view.map[i][1] || 0) * (h - edge - 24),
        r: 4.5, tabindex: 0, role: 'img', 'aria-label': other.name,
        fill: PALETTE[labels.indexOf(other.label) % PALETTE.length],
        'fill-opacity': 0.8, onfocus: show, onmouseenter: show, onclick: show});
      svg.append(dot);
    });
    const legend = make('div', {class: 'legend'});
    labels.slice(0, PALETTE.length).forEach((label, k) => {
      const mark = make('i');
      mark.style.background = PALETTE[k];
      legend.append(make('span', {}, mark, label || 'no folder'));
    });
    if (labels.length > PALETTE.length) {
      legend.append(make('span', {}, `and ${labels.length - PALETTE.length} more, whose colours repeat`));
    }
    return make('div', {}, make('strong', {}, view.name), make('br'), svg, peek, legend);
  }
  function whole() {
    const parts = [];
    if (state.tab === 'map') parts.push(...views.map(scatter));
    if (state.tab === 'curves') {
      for (const view of views) {
        if (view.curves) {
          parts.push(make('div', {}, make('strong', {}, view.name), make('br'),
            make('img', {class: 'curves', src: view.curves, alt: `curves of ${view.name}`})));
        }
      }
    }
    $('whole').replaceChildren(...parts);
    $('cards').hidden = parts.length > 0;
    $('cards').style.display = parts.length ? 'none' : '';
  }

  function show(tab) {
    state.tab = tab;
    for (const button of $('tabs').children) {
      const own = button.dataset.tab === tab;
      button.setAttribute('aria-selected', own);
      button.tabIndex = own ? 0 : -1;
    }
    let text = TABS[tab][2];
    if (tab === 'prediction' && views.some((v) => v.norm_pix)) {
      text += ' The decoder predicts pixels that are normalised in each patch '
        + '(norm_pix): shown are they with the mean and spread of the true '
        + 'patch, which the model does not know.';
    }
    if (tab === 'similarity') {
      const kept = views.filter((v) => v.compact)
        .map((v) => `${(100 * v.kept).toFixed(0)} %`).join(', ');
      text += ` Kept in this file: ${first.directions} directions, ${kept} of what patches differ by.`;
    }
    $('explained').textContent = text;
    controls();
    bar();
    whole();
    draw();
  }
  function tabs() {
    const known = Object.keys(TABS).filter((name) => TABS[name][1]());
    for (const name of known) {
      $('tabs').append(make('button', {
        role: 'tab', 'data-tab': name, 'aria-controls': 'panel', type: 'button',
        onclick: () => show(name),
        onkeydown: (event) => {
          const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
          if (!step) return;
          const at = (known.indexOf(name) + step + known.length) % known.length;
          show(known[at]);
          $('tabs').children[at].focus();
        }}, TABS[name][0]));
    }
    show(known[0]);
  }
  function facts() {
    $('about').textContent = data.names.length < data.total
      ? `${data.names.length} of ${data.total} pictures, spread evenly by name; `
        + `neighbours and map are of ${data.others.length}.`
      : `All ${data.total} pictures.`;
    if (data.unread) $('about').textContent += ` ${data.unread} could not be read.`;
    const rows = [['encoder', (v) => v.name], ['method', (v) => v.method],
      ['RankMe of its features (directions used)', (v) => v.rankme],
      ['alpha-ReQ (decay of their spectrum)', (v) => v.alpha ?? '-'],
      ['their spread on the sphere (1 = even)', (v) => v.spread],
      ['share of the patches that is one vector', (v) => (v.constant === undefined
        ? '-' : `${(100 * v.constant).toFixed(1)} %`)]];
    for (const [title, value] of rows) {
      $('facts').append(make('tr', {}, make('th', {scope: 'row'}, title),
        ...views.map((view) => make('td', {}, String(value(view))))));
    }
  }
  $('controls').addEventListener('submit', (event) => event.preventDefault());
  facts();
  build();
  tabs();
})();
