// Runs once when Gradio shows the element. `element`, `trigger`, `props` and `watch` are given by gr.HTML.
const root = element.querySelector('.studio');
const language = root.getAttribute('lang');
document.documentElement.lang = language;
// Screens are drawn in here; messages and questions lie beside it and are not touched by a new screen.
const frame = root.appendChild(document.createElement('div'));
const state = { place: location.hash, stamp: null, pulse: null, csrf: '', seq: 0, shown: 0, judging: new Set(), moved: true, early: [] };

window.studioSeen = () => ({ place: state.place, stamp: state.stamp, pulse: state.pulse, seq: state.seq });

// ---- asking ---------------------------------------------------------------------------------------------------

function ask(name, args, busy) {
  state.seq += 1;
  if (busy) {
    busy.setAttribute('aria-busy', 'true');
    busy.dataset.seq = state.seq;
    // An answer that never comes must not leave a dead button.
    setTimeout(() => free(busy), 30000);
  }
  trigger('act', { do: name, args: args || {}, place: state.place, seq: state.seq });
}

function free(node) {
  node.removeAttribute('aria-busy');
  delete node.dataset.seq;
}

function go(place) {
  state.place = place;
  state.moved = true;
  ask('open');
}

// ---- showing --------------------------------------------------------------------------------------------------

function show(value) {
  if (!value || typeof value !== 'object') return;
  if (value.goto) { location.assign(value.goto); return; }
  if (value.csrf) state.csrf = value.csrf;
  if (value.toast) toast(value.toast);
  root.querySelectorAll('[data-seq]').forEach((node) => { if (Number(node.dataset.seq) <= (value.seq || 0)) free(node); });
  // Older than what is shown, or than what was asked for since: the newer answer is on its way.
  if (typeof value.html !== 'string' || (value.seq || 0) < state.seq) return;
  const from = state.place;
  state.place = value.place;
  state.stamp = value.stamp;
  state.pulse = value.pulse;
  const parsed = document.createElement('div');
  parsed.innerHTML = value.html;
  localise(parsed);
  const screen = root.querySelector('.screen');
  const changed = !screen || screen.dataset.key !== parsed.querySelector('.screen').dataset.key;
  morph(frame, parsed);
  root.querySelectorAll('.loading').forEach((node) => node.remove());
  if (location.hash !== value.place) {
    const method = from === value.place || !location.hash || location.hash === '#/' ? 'replaceState' : 'pushState';
    history[method](null, '', location.pathname + location.search + value.place);
  }
  if (changed) arrived();
  const box = root.querySelector('.drop');
  if (state.early.length && box && box.dataset.album) take(box, state.early.splice(0));
  judge();
}

function arrived() {
  window.scrollTo(0, 0);
  root.querySelectorAll('details.menu[open]').forEach((node) => { node.open = false; });
  if (state.moved && state.shown) root.querySelector('.screen').focus({ preventScroll: true });
  state.moved = false;
  state.shown += 1;
}

function localise(within) {
  const forms = {
    date: { dateStyle: 'long' },
    moment: { month: 'long', day: 'numeric', hour: '2-digit', minute: '2-digit' },
  };
  within.querySelectorAll('time[data-at]').forEach((node) => {
    const at = new Date(Number(node.dataset.at) * 1000);
    node.dateTime = at.toISOString();
    node.textContent = new Intl.DateTimeFormat(language === 'ko' ? 'ko-KR' : 'en-GB', forms[node.dataset.form]).format(at);
  });
}

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key || node.id || '' : '');

// Changes what differs and nothing else: pictures do not flicker, fields keep what is being typed.
function morph(from, to) {
  const keyed = new Map();
  for (const child of from.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = from.firstChild;
  for (const want of Array.from(to.childNodes)) {
    const key = keyOf(want);
    let have = key ? keyed.get(key) : at;
    if (!key) while (have && keyOf(have)) have = have.nextSibling;
    if (have && have.nodeType === want.nodeType && have.nodeName === want.nodeName) {
      if (have === at) at = at.nextSibling; else from.insertBefore(have, at);
      patch(have, want);
    } else {
      from.insertBefore(want, at);
    }
  }
  while (at) { const next = at.nextSibling; from.removeChild(at); at = next; }
}

function patch(have, want) {
  if (have.nodeType !== 1) { if (have.nodeValue !== want.nodeValue) have.nodeValue = want.nodeValue; return; }
  if ('keep' in want.dataset) return;
  const mine = have.nodeName === 'DETAILS' ? ['open'] : have.matches('input,option') ? ['checked', 'value', 'selected'] : ['aria-busy', 'data-seq'];
  if (have.matches('.compare')) mine.push('style');
  if (have.matches('.id-warning')) mine.push('class');
  if (have.matches('[data-before]')) mine.push('aria-checked');
  for (const { name } of Array.from(have.attributes)) if (!want.hasAttribute(name) && !mine.includes(name)) have.removeAttribute(name);
  for (const { name, value } of Array.from(want.attributes)) if (have.getAttribute(name) !== value && !mine.includes(name)) have.setAttribute(name, value);
  if ('server' in want.dataset) have.checked = want.checked;
  if (have.matches('.before')) return;
  morph(have, want);
}

function toast({ kind, text }) {
  let box = document.querySelector('.toasts');
  if (!box) {
    box = document.createElement('div');
    box.className = 'toasts';
    box.setAttribute('role', 'status');
    root.append(box);
  }
  const note = document.createElement('p');
  note.className = `toast ${kind}`;
  note.textContent = text;
  note.addEventListener('click', () => note.remove());
  box.append(note);
  setTimeout(() => note.remove(), kind === 'bad' ? 9000 : 3500);
}

function sure({ confirm: question, yes, no }) {
  return new Promise((resolve) => {
    const dialog = document.createElement('dialog');
    dialog.className = 'sure';
    dialog.innerHTML = '<p></p><div class="row"><button class="button plain"></button><button class="button danger-full"></button></div>';
    dialog.querySelector('p').textContent = question;
    const [stay, act] = dialog.querySelectorAll('button');
    stay.textContent = no;
    act.textContent = yes;
    stay.addEventListener('click', () => dialog.close());
    act.addEventListener('click', () => dialog.close('yes'));
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener('close', () => { dialog.remove(); resolve(dialog.returnValue === 'yes'); });
    root.append(dialog);
    dialog.showModal();
    stay.focus();
  });
}

// ---- pressing -------------------------------------------------------------------------------------------------

const argsOf = (node) => JSON.parse(node.dataset.args || '{}');

function formOf(form) {
  const fields = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    const many = field.type === 'checkbox' && form.querySelectorAll(`[name="${field.name}"]`).length > 1;
    if (many) { fields[field.name] = fields[field.name] || []; if (field.checked) fields[field.name].push(field.value); }
    else if (field.type === 'checkbox') fields[field.name] = field.checked;
    else if (field.type !== 'radio' || field.checked) fields[field.name] = field.value;
  }
  return fields;
}

async function press(node) {
  if (node.getAttribute('aria-busy')) return;
  if (node.dataset.confirm && !(await sure(node.dataset))) return;
  ask(node.dataset.do, argsOf(node), node);
}

element.addEventListener('click', (event) => {
  const link = event.target.closest('a[href^="#/"]');
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) {
    event.preventDefault();
    const place = link.getAttribute('href');
    if (place !== location.hash) history.pushState(null, '', location.pathname + location.search + place);
    go(place);
    return;
  }
  const skip = event.target.closest('a.skip');
  if (skip) { event.preventDefault(); root.querySelector('.screen').focus(); return; }
  const api = event.target.closest('[data-api]');
  if (api) { const [method, path] = api.dataset.api.split(' '); call(method, path, api).then(() => ask('open')); return; }
  const node = event.target.closest('[data-do]');
  if (node && !node.matches('form,input')) { event.preventDefault(); press(node); return; }
  const step = event.target.closest('[data-step]');
  if (step) { count(step); return; }
  const before = event.target.closest('[data-before]');
  if (before) { compareWith(before); return; }
  const id = event.target.closest('[data-id-show],[data-id-layout]');
  if (id) idPhoto(id);
});

element.addEventListener('submit', (event) => {
  const form = event.target;
  if (!form.dataset.do) return;
  event.preventDefault();
  clearTimeout(waiting);
  const button = event.submitter || form.querySelector('button:not([type="button"])');
  if (button && button.getAttribute('aria-busy')) return;
  ask(form.dataset.do, { ...argsOf(form), form: formOf(form) }, button);
});

let waiting = 0;
element.addEventListener('change', (event) => {
  const node = event.target;
  if (node.id === 'files') { take(node.closest('.drop'), Array.from(node.files)); node.value = ''; return; }
  if (node.matches('input[data-do]')) { if (node.checked) ask(node.dataset.do, argsOf(node), node.parentElement); return; }
  if (node.matches('.id-kind')) {
    root.querySelector('.id-preview').replaceChildren();
    root.querySelector('.id-warning').classList.toggle('off', !('official' in node.selectedOptions[0].dataset));
    return;
  }
  const form = node.closest('form[data-change]');
  if (form) {
    clearTimeout(waiting);
    waiting = setTimeout(() => { if (form.isConnected) ask(form.dataset.change, { ...argsOf(form), form: formOf(form) }); }, 250);
  }
});

function count(button) {
  const field = button.parentElement.querySelector('input');
  const wanted = (Number(field.value) || 1) + Number(button.dataset.step);
  field.value = Math.min(Number(field.max), Math.max(Number(field.min), wanted));
  field.dispatchEvent(new Event('change', { bubbles: true }));
}

element.addEventListener('input', (event) => {
  if (event.target.matches('.cut')) event.target.closest('.compare').style.setProperty('--cut', `${event.target.value}%`);
});

document.addEventListener('click', (event) => {
  root.querySelectorAll('details.menu[open]').forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') root.querySelectorAll('details.menu[open]').forEach((menu) => { menu.open = false; menu.querySelector('summary').focus(); });
});
window.addEventListener('popstate', () => { if (location.hash !== state.place) go(location.hash); });
document.addEventListener('visibilitychange', () => { if (!document.hidden && state.stamp) ask('open'); });
window.addEventListener('offline', () => toast({ kind: 'bad', text: root.querySelector('.screen').dataset.offline }));

// ---- one portrait ---------------------------------------------------------------------------------------------

function compareWith(button) {
  button.parentElement.querySelectorAll('[data-before]').forEach((other) => other.setAttribute('aria-checked', String(other === button)));
  root.querySelector('.compare .before img').src = button.dataset.before;
}

function idPhoto(button) {
  const card = button.closest('.id-photo');
  const kind = encodeURIComponent(card.querySelector('.id-kind').value);
  const shown = card.querySelector('.id-preview');
  if (button.dataset.idLayout) { save(`${card.dataset.base}?kind=${kind}&layout=${button.dataset.idLayout}&download=1`, button); return; }
  picture(`${card.dataset.base}?kind=${kind}&layout=single`, button).then((found) => {
    if (!found) return;
    const image = document.createElement('img');
    image.alt = shown.dataset.alt;
    image.src = URL.createObjectURL(found.blob);
    shown.replaceChildren(image);
  });
}

// Fetched, not followed: an error of the measurement is then a sentence on this page instead of a page of its own.
async function picture(address, button) {
  button.setAttribute('aria-busy', 'true');
  try {
    const answer = await fetch(address, { credentials: 'same-origin', headers: { Accept: 'image/*, application/json' } });
    if (!answer.ok) { toast({ kind: 'bad', text: await said(answer) }); return null; }
    const named = /filename="?([^";]+)"?/.exec(answer.headers.get('content-disposition') || '');
    return { blob: await answer.blob(), name: named ? named[1] : 'photo.jpg' };
  } catch {
    toast({ kind: 'bad', text: root.querySelector('.screen').dataset.trouble });
    return null;
  } finally {
    button.removeAttribute('aria-busy');
  }
}

// What takes long goes to the API, which lets heavy work take turns.
async function call(method, path, button) {
  if (button) { if (button.getAttribute('aria-busy')) return; button.setAttribute('aria-busy', 'true'); }
  try {
    const answer = await fetch(path, { method, credentials: 'same-origin', headers: { 'X-CSRF-Token': state.csrf, Accept: 'application/json' } });
    if (!answer.ok) toast({ kind: 'bad', text: await said(answer) });
  } catch {
    toast({ kind: 'bad', text: root.querySelector('.screen').dataset.trouble });
  } finally {
    if (button) free(button);
  }
}

async function save(address, button) {
  const found = await picture(address, button);
  if (!found) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(found.blob);
  link.download = found.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

async function said(answer) {
  const body = await answer.json().catch(() => null);
  return sentence(body) || root.querySelector('.screen').dataset.trouble;
}

function sentence(body) {
  const error = body && (body.error || body.detail || body);
  const text = (part) => (part && typeof part === 'object' ? part[language] || '' : '');
  return error ? `${text(error.message)} ${text(error.hint)}`.trim() : '';
}
