// A server of one small model for tests: Chat Completions over llama.cpp, on loopback. The answer is
// held to the request's schema by a grammar. What a grammar of the schema alone would leave open is
// closed here, as an engine's own constraints may be: numbers are within what their names mean, texts are
// short, fields are those of the alert, techniques are among the candidates. What the model chooses among
// all that is its own.
//
//   node small.mjs MODEL.gguf   prints the server's address, and serves until its input ends
import crypto from "node:crypto";
import http from "node:http";
import {getLlama, LlamaCompletion, LlamaText, SpecialTokensText} from "node-llama-cpp";

const contextSize = 6144;
const prefixes = 7; // how many static prompts are kept evaluated: one for each task and agent
const maxText = 48;

const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: process.argv[2]});
const context = await model.createContext({contextSize, sequences: prefixes, threads: 2});
const slots = []; // the one used last comes last: {key, sequence}

// slotFor returns the sequence that has evaluated the same static prompt, or the one unused longest.
function slotFor(key) {
  let at = slots.findIndex((s) => s.key === key);
  if (at < 0 && slots.length < prefixes) {
    slots.push({key, sequence: context.getSequence()});
    at = slots.length - 1;
  }
  if (at < 0) {
    at = 0;
    slots[0].key = key;
  }
  const [slot] = slots.splice(at, 1);
  slots.push(slot);
  return slot.sequence;
}

function prompt(messages) {
  const parts = [];
  for (const m of messages) {
    const role = m.role === "developer" ? "system" : m.role === "tool" ? "user" : m.role;
    parts.push(new SpecialTokensText("<|im_start|>"), role + "\n" + textOf(m.content), new SpecialTokensText("<|im_end|>"), "\n");
  }
  parts.push(new SpecialTokensText("<|im_start|>"), "assistant\n");
  return LlamaText(parts);
}

function textOf(content) {
  return typeof content === "string" ? content : (content ?? []).map((p) => p.text ?? "").join("");
}

// known finds what the alert offers to be cited: names of fields, values of each, techniques.
function known(messages) {
  const text = messages.filter((m) => m.role === "user").map((m) => textOf(m.content)).join("\n");
  const fields = new Map();
  for (const line of text.split("\n")) {
    if (!line.startsWith("{")) continue;
    try {
      const doc = JSON.parse(line);
      for (const [name, value] of entries(doc.fields ?? doc.alert?.fields ?? {})) fields.set(name, value);
    } catch {
      // not the document
    }
  }
  return {fields, techniques: [...new Set(text.match(/\bT\d{4}(\.\d{3})?\b/g) ?? [])]};
}

function entries(fields) {
  const list = Array.isArray(fields) ? fields.map((f) => [f.name ?? f.Name, f.values ?? f.Values]) : Object.entries(fields);
  return list.map(([name, v]) => [name, [].concat(v).filter((x) => typeof x === "string" && x && x.length <= 120)]).filter(([, v]) => v.length > 0);
}

function constrain(schema, name, about) {
  if (schema.enum) return {enum: schema.enum};
  switch (schema.type) {
    case "object":
      return constrainObject(schema, about);
    case "array":
      if (name === "techniques" && about.techniques.length === 0) return {enum: ["[]"], empty: true};
      return {type: "array", items: constrain(schema.items, name === "fields" ? "field" : name, about), maxItems: 1, minItems: name === "evidence" || name === "fields" ? 1 : 0};
    case "integer":
    case "number":
      return {enum: name === "severity" ? [1, 2, 3, 4, 5] : Array.from({length: 21}, (_, i) => i * 5)};
    case "string":
      if (name === "field" && about.fields.size > 0) return {enum: [...about.fields.keys()]};
      if (name === "id" && about.techniques.length > 0) return {enum: about.techniques};
      return {type: "string", minLength: 1, maxLength: maxText};
  }
  return schema;
}

function constrainObject(schema, about) {
  const names = Object.keys(schema.properties);
  if (names.length === 2 && names.includes("field") && names.includes("value") && about.fields.size > 0) {
    return {oneOf: [...about.fields].map(([field, values]) => ({
      type: "object", properties: {field: {const: field}, value: {enum: values}}, required: ["field", "value"], additionalProperties: false,
    }))};
  }
  const properties = {};
  for (const [key, sub] of Object.entries(schema.properties)) {
    const inner = constrain(sub, key, about);
    properties[key] = inner.empty ? {type: "array", items: {type: "null"}, maxItems: 0} : inner;
  }
  return {type: "object", properties, required: names, additionalProperties: false};
}

// terse takes the white space out of a grammar: each blank would be a token that says nothing.
function terse(grammar) {
  const text = grammar.grammar
    .replace(/^comma-whitespace-\S+ ::= .*$/gm, (rule) => rule.split(" ")[0] + ' ::= ","')
    .replace(/^whitespace-\S+ ::= .*$/gm, (rule) => rule.split(" ")[0] + ' ::= ""')
    .replaceAll('":" [ ]?', '":"');
  return llama.createGrammar({grammar: text, stopGenerationTriggers: grammar.stopGenerationTriggers, trimWhitespaceSuffix: true});
}

async function complete(body) {
  const begin = Date.now();
  const format = body.response_format;
  const schema = format?.type === "json_schema" ? constrain(format.json_schema.schema, "", known(body.messages)) : undefined;
  const grammar = schema ? await terse(await llama.createGrammarForJsonSchema(schema)) : undefined;
  const input = prompt(body.messages);
  const promptTokens = input.tokenize(model.tokenizer).length;
  const room = contextSize - promptTokens;
  if (room < 100) {
    throw Object.assign(new Error(`the request has ${promptTokens} tokens, and the context holds ${contextSize}`), {status: 400});
  }
  const maxTokens = Math.min(body.max_completion_tokens ?? body.max_tokens ?? 512, room);
  const system = body.messages.filter((m) => m.role === "system" || m.role === "developer").map((m) => textOf(m.content)).join("\n");
  const sequence = slotFor(crypto.createHash("sha256").update(system).digest("hex"));
  const before = sequence.tokenMeter.getState();
  const completion = new LlamaCompletion({contextSequence: sequence, autoDisposeSequence: false});
  try {
    const {response, metadata} = await completion.generateCompletionWithMeta(input, {grammar, maxTokens, temperature: 0});
    const used = sequence.tokenMeter.diff(before);
    console.error(`${format?.json_schema?.name ?? "text"}: ${promptTokens} tokens, ${used.usedInputTokens} of them read, ${used.usedOutputTokens} written, ${Date.now() - begin} ms`);
    return reply(body, response, metadata.stopReason, promptTokens, used);
  } finally {
    completion.dispose();
  }
}

function reply(body, content, stop, promptTokens, used) {
  const output = Math.max(used.usedOutputTokens, 1);
  return {
    id: "chatcmpl-" + crypto.randomUUID(), object: "chat.completion", created: Math.floor(Date.now() / 1000), model: body.model,
    choices: [{index: 0, message: {role: "assistant", content, refusal: null}, logprobs: null, finish_reason: stop === "maxTokens" ? "length" : "stop"}],
    usage: {
      prompt_tokens: promptTokens, completion_tokens: output, total_tokens: promptTokens + output,
      prompt_tokens_details: {cached_tokens: Math.max(promptTokens - used.usedInputTokens, 0)},
    },
  };
}

let last = Promise.resolve(); // one answer at a time: there are two cores

function serve(req, res) {
  const chunks = [];
  req.on("data", (c) => chunks.push(c));
  req.on("end", () => {
    last = last.then(async () => {
      let status = 200;
      let out;
      try {
        if (req.method !== "POST" || !req.url.endsWith("/chat/completions")) throw Object.assign(new Error("no such path"), {status: 404});
        out = await complete(JSON.parse(Buffer.concat(chunks).toString("utf8")));
      } catch (err) {
        status = err.status ?? 500;
        out = {error: {message: String(err.message), type: status < 500 ? "invalid_request_error" : "server_error", code: null, param: null}};
        console.error(err);
      }
      res.writeHead(status, {"content-type": "application/json"});
      res.end(JSON.stringify(out));
    });
  });
}

const server = http.createServer(serve).listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/v1`));
process.stdin.resume().on("end", () => process.exit(0));
