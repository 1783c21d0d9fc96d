// Jobs of transformers.js in Node, one JSON a line from stdin, their answers to stdout.
//
//     node transformers_js_node.mjs BUNDLES

import { createInterface } from "node:readline";

import * as transformers from "@huggingface/transformers";

import { tasks } from "./transformers_js.mjs";

const run = tasks(transformers, process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await run(JSON.parse(line))) + "\n");
}
