// Starts @copilotkit/aimock, a mock of the providers that nobody here wrote, on loopback with answers for
// the tests. Prints its address, and serves until its input ends.
//
//   node aimock.mjs
import {LLMock} from "@copilotkit/aimock";

const usage = {prompt_tokens: 120, completion_tokens: 7, input_tokens: 120, output_tokens: 7, total_tokens: 127};
const mock = new LLMock({port: 0, host: "127.0.0.1", strict: true});

const text = (content, more) => ({content, usage, ...more});
mock.onMessage("say hello", text("hello"));
mock.onMessage("be cut", text("hel", {finishReason: "length"}));
mock.onMessage("be filtered", text("", {finishReason: "content_filter"}));
mock.onMessage("say nothing", text(""));
mock.on({userMessage: "look it up", hasToolResult: false}, {
  toolCalls: [{name: "lookup", arguments: '{"field":"user"}', id: "call_1"}], usage, finishReason: "tool_calls",
});
mock.on({userMessage: "look it up", hasToolResult: true}, text("found"));
for (const status of [400, 401, 404, 429, 500, 503, 529]) {
  mock.onMessage(`fail with ${status}`, {error: {message: "an error of the mock", type: "mock", code: "mock_error"}, status, retryAfter: 7});
}

// What winnow asks while it triages. The mock passes no schema on, so the task is told from the prompt.
mock.on({systemMessage: "Your task: "}, (req) => {
  const all = req.messages.map((m) => (typeof m.content === "string" ? m.content : (m.content ?? []).map((p) => p.text ?? "").join("")));
  const task = all[0].match(/Your task: ([a-z ]+)/)[1].trim();
  const field = fieldOf(all.slice(1).join("\n"));
  return text(JSON.stringify(answers(field)[task]));
});

function fieldOf(prompt) {
  for (const line of prompt.split("\n")) {
    if (!line.startsWith("{")) continue;
    const doc = JSON.parse(line);
    const fields = Array.isArray(doc.fields) ? doc.fields.map((f) => [f.name, f.values]) : Object.entries(doc.fields ?? {});
    for (const [name, values] of fields) if (name && [].concat(values)[0]) return {field: name, value: String([].concat(values)[0])};
  }
  return {field: "user", value: "nobody"};
}

// Sure that it is harmless, whatever it is: so that what keeps an alert open are the guards.
function answers(cited) {
  const line = {what: "a mock says so", why: "a mock says so", first_response: "a mock says so"};
  const judged = {disposition: "BenignPositive", confidence: 100, case: line};
  const cites = {evidence: [cited], recommendations: []};
  const points = {techniques: [], signals: []};
  return {
    enrich: {asset: "", owner: "", sensitivity: "low", severity: 1, facts: [], assumptions: []},
    correlate: points,
    classify: {...judged, ...cites},
    "correlate and classify": {...points, ...judged, ...cites},
    vote: {vote: "SAFE", confidence: 100, reason: "a mock says so", fields: [cited.field]},
    coordinate: judged,
  };
}

await mock.start();
console.log(mock.url);
process.stdin.resume().on("end", () => process.exit(0));
