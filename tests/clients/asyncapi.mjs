// Reads an AsyncAPI document as others do: the official parser judges it, and Modelina makes types
// of it. Prints what both found, as JSON. Arguments: where the packages are, document, folder.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [packages, file, folder] = process.argv.slice(2);
const require = createRequire(`${packages}/package.json`);
const { Parser } = require("@asyncapi/parser");
const modelina = require("@asyncapi/modelina");

const text = readFileSync(file, "utf8");
const { diagnostics } = await new Parser().parse(text);
const generators = {
  typescript: new modelina.TypeScriptFileGenerator({ modelType: "interface" }),
  python: new modelina.PythonFileGenerator(),
  java: new modelina.JavaFileGenerator(),
};
const models = {};
for (const [language, generator] of Object.entries(generators)) {
  const options = { exportType: "named", packageName: language };
  const made = await generator.generateToFiles(JSON.parse(text), `${folder}/${language}`, options, true);
  models[language] = made.map(({ modelName, result }) => ({ name: modelName, code: result }));
}
process.stdout.write(JSON.stringify({ diagnostics, models }));
