// Shows every call of openapi.json and tries it from the page.
'use strict';

const VERBS = ['get', 'post', 'put', 'patch', 'delete'];

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function plain(description = '') {
  return description.replaceAll('`', '');
}

/** Return an input for a parameter; its example is the placeholder, so that nothing is sent unasked but what the path needs. */
function parameterField(parameter) {
  const example = parameter.example === undefined ? '' : String(parameter.example);
  const input = element('input', {
    name: parameter.name,
    placeholder: example,
    value: parameter.required ? example : '',
    required: Boolean(parameter.required),
  });
  input.dataset.in = parameter.in;
  const label = element('label', { className: 'field' }, element('code', { textContent: parameter.name }), input);
  label.append(element('small', { textContent: plain(parameter.description) }));
  return label;
}

function bodyField(body) {
  const [type, media] = Object.entries(body.content)[0];
  const example = media.example === undefined ? '' : JSON.stringify(media.example, null, 2);
  const area = element('textarea', { name: 'body', value: example, spellcheck: false });
  area.dataset.type = type;
  return element('label', {}, element('small', { textContent: `Body, ${type}` }), area);
}

function addressOf(path, form) {
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll('input[data-in]')) {
    if (input.dataset.in === 'path') {
      path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.value !== '') {
      query.append(input.name, input.value);
    }
  }
  return query.size ? `${path}?${query}` : path;
}

function requestOf(verb, form) {
  const headers = {};
  const key = document.getElementById('key').value;
  if (key) headers['X-Api-Key'] = key;
  const area = form.querySelector('textarea');
  if (area) headers['Content-Type'] = area.dataset.type;
  return { method: verb.toUpperCase(), headers, body: area ? area.value : undefined };
}

function shown(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function send(path, verb, form, output) {
  const address = addressOf(path, form);
  const began = performance.now();
  output.textContent = `${verb.toUpperCase()} ${address} …`;
  try {
    const answer = await fetch(address, requestOf(verb, form));
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    output.textContent = `${answer.status} ${answer.statusText} · ${took} ms\n\n${shown(text)}`;
  } catch (error) {
    output.textContent = String(error);
  }
}

function callOf(path, verb, operation) {
  const output = element('pre', { ariaLive: 'polite' });
  const form = element('form', {}, element('p', { textContent: plain(operation.description) }));
  for (const parameter of operation.parameters ?? []) form.append(parameterField(parameter));
  if (operation.requestBody) form.append(bodyField(operation.requestBody));
  form.append(element('button', { textContent: 'Send' }), output);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    send(path, verb, form, output);
  });
  const name = element('span', { className: 'verb', textContent: verb.toUpperCase() });
  const title = element('summary', {}, name, element('code', { textContent: path }), ` ${operation.summary ?? ''}`);
  return element('details', { className: 'call' }, title, form);
}

function sections(description) {
  const found = new Map();
  for (const [path, operations] of Object.entries(description.paths)) {
    for (const verb of VERBS.filter((each) => operations[each])) {
      const tag = operations[verb].tags[0];
      if (!found.has(tag)) found.set(tag, element('section', {}, element('h2', { textContent: tag })));
      found.get(tag).append(callOf(path, verb, operations[verb]));
    }
  }
  return found.values();
}

function filter(word) {
  for (const call of document.querySelectorAll('.call')) {
    call.hidden = !call.textContent.toLowerCase().includes(word.toLowerCase());
  }
}

async function main() {
  const description = await (await fetch('/openapi.json')).json();
  document.getElementById('description').textContent = plain(description.info.description);
  document.getElementById('calls').replaceChildren(...sections(description));
  document.getElementById('find').addEventListener('input', (event) => filter(event.target.value));
}

main().catch((error) => {
  document.getElementById('calls').textContent = `openapi.json could not be read: ${error}`;
});
