// Shows what /openapi.json describes, and sends what is filled in. No library, and nobody else is asked.

const make = (tag, properties = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};

const resolve = (described, schema) =>
  schema && schema.$ref ? schema.$ref.slice(2).split('/').reduce((at, name) => at[name], described) : schema;

async function send(method, path, parameters, fields, body, contentType) {
  const query = new URLSearchParams();
  const headers = {};
  let address = path;
  for (const parameter of parameters) {
    const value = fields.get(parameter).value;
    if (value === '') continue;
    if (parameter.in === 'path') address = address.replace(`{${parameter.name}}`, encodeURIComponent(value));
    if (parameter.in === 'query') query.append(parameter.name, value);
    if (parameter.in === 'header') headers[parameter.name] = value;
  }
  const token = document.querySelector('#token').value;
  if (token !== '') headers.authorization = `Bearer ${token}`;
  if (body !== undefined && body !== '') headers['content-type'] = contentType;
  const search = query.toString();
  const response = await fetch(search === '' ? address : `${address}?${search}`, {
    method: method.toUpperCase(), headers, body: body === '' ? undefined : body,
  });
  const text = await response.text();
  let shown = text;
  try { shown = JSON.stringify(JSON.parse(text), null, 2); } catch { /* it is shown as it came */ }
  const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
  return `${response.status} ${response.statusText}\n${head}\n\n${shown}`;
}

function operation(described, path, method, about) {
  const parameters = about.parameters ?? [];
  const fields = new Map();
  const form = make('form');
  for (const parameter of parameters) {
    const example = parameter.example ?? '';
    const field = make('input', { value: parameter.required ? example : '', required: parameter.required === true });
    fields.set(parameter, field);
    form.append(make('label', {}, `${parameter.name} (${parameter.in}${parameter.required ? '' : ', optional'}): ${parameter.description ?? ''}`, field));
  }
  const content = about.requestBody?.content ?? {};
  const contentType = Object.keys(content)[0];
  let body;
  if (contentType) {
    const schema = resolve(described, content[contentType].schema);
    const example = content[contentType].example ?? schema?.example;
    body = make('textarea', { value: example === undefined ? '' : JSON.stringify(example, null, 2), spellcheck: false });
    form.append(make('label', {}, `Body (${contentType})`, body));
  }
  const answer = make('pre', { hidden: true });
  answer.setAttribute('aria-live', 'polite');
  form.append(make('button', { type: 'submit' }, 'Send'), answer);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    answer.hidden = false;
    answer.textContent = '…';
    try {
      answer.textContent = await send(method, path, parameters, fields, body?.value, contentType);
    } catch (error) {
      answer.textContent = String(error);
    }
  });
  return make('details', {},
    make('summary', {}, make('span', { className: 'method' }, method.toUpperCase()), make('code', {}, path), ` ${about.summary ?? ''}`),
    make('p', {}, about.description ?? ''), form);
}

const response = await fetch('/openapi.json');
const described = await response.json();
document.querySelector('#about').textContent = described.info.description;
const groups = new Map();
for (const [path, operations] of Object.entries(described.paths)) {
  for (const [method, about] of Object.entries(operations)) {
    const tag = about.tags?.[0] ?? 'other';
    if (!groups.has(tag)) groups.set(tag, make('section', {}, make('h2', {}, tag)));
    groups.get(tag).append(operation(described, path, method, about));
  }
}
document.querySelector('#operations').replaceChildren(...groups.values());
