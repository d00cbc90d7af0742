// Sending photos to the API, a few at a time. Joined between page.js and begin.js into one function body, see blocks.py.

const line = [];
let sending = 0;

for (const name of ['dragover', 'dragenter', 'dragleave', 'drop']) {
  element.addEventListener(name, (event) => {
    const box = event.target.closest('.drop');
    if (!box) return;
    event.preventDefault();
    box.classList.toggle('over', name === 'dragover' || name === 'dragenter');
    if (name === 'drop') take(box, Array.from(event.dataTransfer.files));
  });
}
// A photo dropped beside the box must not replace the page.
for (const name of ['dragover', 'drop']) document.addEventListener(name, (event) => event.preventDefault());

function take(box, files) {
  if (!box.dataset.album) {
    if (!state.early.length) ask('first-album', {}, box);
    state.early.push(...files);
    return;
  }
  for (const file of files) line.push(entry(box, file));
  pump();
}

function entry(box, file) {
  const item = document.createElement('li');
  item.innerHTML = '<b></b><span></span><i><em></em></i><button type="button" class="link" hidden></button><button type="button" class="round" hidden>×</button>';
  item.querySelector('b').textContent = file.name;
  item.querySelector('span').textContent = box.dataset.waiting;
  const [again, away] = item.querySelectorAll('button');
  again.textContent = box.dataset.again;
  away.setAttribute('aria-label', box.dataset.close);
  const upload = { box, file, item };
  again.addEventListener('click', () => { item.className = ''; again.hidden = away.hidden = true; line.push(upload); pump(); });
  away.addEventListener('click', () => item.remove());
  root.querySelector('.uploads').append(item);
  return upload;
}

function pump() {
  while (sending < 2 && line.length) send(line.shift());
}

function send(upload) {
  const { box, file, item } = upload;
  if (file.size > Number(box.dataset.maxMb) * 1024 * 1024) { failed(upload, box.dataset.tooLarge, false); return; }
  sending += 1;
  const request = new XMLHttpRequest();
  const form = new FormData();
  form.append('photo', file, file.name);
  request.open('POST', `/api/v1/albums/${box.dataset.album}/photos`);
  request.setRequestHeader('X-CSRF-Token', state.csrf);
  request.responseType = 'json';
  request.upload.addEventListener('progress', (event) => {
    if (event.lengthComputable) item.querySelector('em').style.width = `${(100 * event.loaded) / event.total}%`;
  });
  request.upload.addEventListener('load', () => { item.className = 'checking'; item.querySelector('span').textContent = box.dataset.checking; });
  request.addEventListener('loadend', () => {
    sending -= 1;
    if (request.status === 401) { location.reload(); return; }
    const refused = request.status >= 200 && request.status < 300 ? refusedIn(request.response) : sentence(request.response) || box.dataset.failed;
    if (refused) failed(upload, refused, request.status === 0 || request.status >= 429);
    else item.remove();
    arrivedPhoto();
    pump();
  });
  request.send(form);
}

// The answer to several photos names each that was refused.
function refusedIn(body) {
  const refused = body && body.refused;
  return Array.isArray(refused) && refused.length ? sentence(refused[0].error) : '';
}

function failed({ box, item }, text, again) {
  item.className = 'failed';
  item.querySelector('span').textContent = text || box.dataset.failed;
  const [retry, away] = item.querySelectorAll('button');
  retry.hidden = !again;
  away.hidden = false;
}

let soon = 0;
function arrivedPhoto() {
  clearTimeout(soon);
  soon = setTimeout(() => ask('open'), 300);
}

// Photos that came without a verdict (an earlier visit was cut short) are judged now, once.
function judge() {
  const node = root.querySelector('[data-unjudged]');
  if (!node || sending || line.length) return;
  const album = node.dataset.unjudged;
  if (state.judging.has(album)) return;
  state.judging.add(album);
  call('POST', `/api/v1/albums/${album}/verdicts`).finally(() => { ask('open'); setTimeout(() => state.judging.delete(album), 20000); });
}

