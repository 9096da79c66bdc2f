// Objects (a JSON array on standard input) against the schemas of kinds that are not Kubernetes' own:
// their types and patterns by the package's validator, and no field that a schema does not name.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

// The package keeps its schemas to itself; they stand in its files as JSON.
function schemaIn(file) {
  const [, json] = readFileSync(file, 'utf8').match(/^const schema = (\{$.*?^\});$/ms);
  return JSON.parse(json);
}

function unknownFields(schema, value, path) {
  if (Array.isArray(value)) {
    return value.flatMap((item, n) => unknownFields(schema.items ?? {}, item, `${path}[${n}]`));
  }
  if (value === null || typeof value !== 'object' || schema.properties === undefined) {
    return [];
  }
  return Object.entries(value).flatMap(([name, field]) =>
    Object.hasOwn(schema.properties, name)
      ? unknownFields(schema.properties[name], field, `${path}.${name}`)
      : [`${path}.${name} is no field`],
  );
}

let faults = 0;
for (const object of JSON.parse(readFileSync(0, 'utf8'))) {
  const problems = [];
  try {
    const module = `@kubernetes-models/gateway-api/${object.apiVersion}/${object.kind}`;
    const { [object.kind]: Kind } = require(module);
    problems.push(...unknownFields(schemaIn(require.resolve(module)), object, object.kind));
    new Kind(object).validate();
  } catch (error) {
    problems.push(error.message);
  }
  for (const problem of problems) {
    faults += 1;
    console.log(`${object.kind} ${object.metadata.name}: ${problem}`);
  }
}
process.exit(faults === 0 ? 0 : 1);
