// Uses the page in Chromium as people do, each role in a browser of its own. What it finds wrong it prints, and ends
// with 1. Pictures of every page go to the folder WINNOW_SCREENS.
import { chromium } from "playwright-core";
import { createRequire } from "node:module";
import path from "node:path";

const site = JSON.parse(process.env.WINNOW_SITE);
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const failures = [];
const check = (ok, what) => { if (!ok) failures.push(what); };
const browser = await chromium.launch({ executablePath: site.chromium, args: ["--no-sandbox"] });

// open returns a page of a browser of its own, that says when the policy or a script complains.
async function open(options = {}, noisy = []) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, ...options });
  const page = await context.newPage();
  page.on("dialog", (d) => { failures.push(`a dialog opened: ${d.message()}`); d.dismiss(); });
  page.on("pageerror", (e) => failures.push(`${page.url()}: a script failed: ${e.message}`));
  page.on("console", (m) => { if (m.type() === "error" && !noisy.some((n) => m.text().includes(n))) failures.push(`${page.url()}: the console says ${m.text()}`); });
  page.on("request", (r) => { if (!r.url().startsWith(site.address)) failures.push(`the page asked for ${r.url()}`); });
  return page;
}

async function signIn(page, token) {
  await page.goto(site.address + "/sign-in");
  await page.fill("#token", token);
  await page.keyboard.press("Enter");
  await page.waitForSelector(".who");
}

// accessible holds a page against the rules of WCAG 2.2 AA. The page's policy runs no script of others, so axe comes
// through the driver.
async function accessible(page, name) {
  await page.evaluate((await import("node:fs")).readFileSync(axe, "utf8"));
  const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const v of found.violations.filter((one) => ["serious", "critical"].includes(one.impact))) {
    failures.push(`${name}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
  }
}

const picture = (page, name) => page.screenshot({ path: path.join(site.screens, name + ".png"), fullPage: !name.startsWith("queue") });

async function everyPage() {
  for (const [name, options] of [
    ["light", { colorScheme: "light" }], ["dark", { colorScheme: "dark" }], ["phone", { viewport: { width: 400, height: 860 } }],
  ]) {
    const page = await open(options, ["404"]);
    await page.goto(site.address);
    await accessible(page, "sign-in " + name);
    await picture(page, "sign-in-" + name);
    await signIn(page, site.approver);
    for (const [view, at] of [["queue", "/"], ["case", "/case/" + site.group], ["hostile", "/case/" + site.hostile], ["rules", "/rules"], ["votes", "/votes"], ["cost", "/cost"], ["health", "/health"], ["missing", "/nowhere"]]) {
      await page.goto(site.address + at).catch((e) => failures.push(String(e)));
      await page.waitForLoadState("networkidle");
      await accessible(page, `${view} ${name}`);
      check(await page.evaluate(() => document.querySelectorAll("xss-probe, main script, main iframe").length === 0 && !window.xss), `${view} ${name}: text of an alert became an element`);
      if (view !== "hostile") check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} ${name}: it is wider than the window`);
      await picture(page, `${view}-${name}`);
    }
    await page.context().close();
  }
}

async function viewer() {
  const page = await open({}, ["403"]);
  await signIn(page, site.viewer);
  await page.goto(site.address + "/case/" + site.group);
  check(await page.locator("form[action^='/case/']").count() === 0, "a viewer has a form to decide");
  const status = await page.evaluate(async (id) => (await fetch("/case/" + id, { method: "POST", body: new URLSearchParams({ action: "reject", seq: "1" }) })).status, site.group);
  check(status === 403, `a viewer who decides all the same gets ${status}`);
  await page.context().close();
}

// keyboard decides without a mouse: the next case, why, escalate; then says what another was.
async function keyboard() {
  const page = await open();
  await signIn(page, site.analyst);
  for (const key of ["j", "j", "k", "j", "Enter"]) await page.keyboard.press(key); // the second case: the first is for race
  await page.waitForSelector("#h-decide");
  const address = page.url();
  await page.keyboard.press("w");
  await page.keyboard.type("seen with the owner, e and a are letters here");
  await page.keyboard.press("Escape");
  await page.keyboard.press("e");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".notice");
  check((await page.textContent(".notice")).includes("Done"), "escalating by keyboard says nothing");
  check(page.url() === address, "the case is left after a decision");
  check((await page.textContent("ol.trail")).includes("ann"), "the trail does not name who decided");
  await page.keyboard.press("n");
  await page.waitForURL((u) => u.href !== address);
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.waitForURL("**/rules");
  await page.keyboard.press("?");
  check(await page.locator("dialog[open]").count() === 1, "? opens no help");
  await accessible(page, "keys");
  await picture(page, "keys-light");
  await page.context().close();
}

// race settles a storm at once, in two browsers: the second hears that nothing was changed. What the first did can be
// taken back.
async function race() {
  const [one, two] = [await open(), await open({}, ["409"])];
  await signIn(one, site.analyst);
  await signIn(two, site.approver);
  for (const page of [one, two]) await page.goto(site.address + "/case/" + site.group);
  check((await one.textContent("#says-correct")).includes(`${site.groupSize} alerts`), "the page does not say before the click how many alerts are settled");
  check((await one.textContent("#says-correct")).includes("benign fact"), "the page does not say before the click that it becomes a benign fact");
  for (const [page, as] of [[one, "BenignPositive"], [two, "TruePositive"]]) {
    await page.selectOption("#as", as);
    await page.fill("#why2", "<xss-probe>");
    await Promise.all([page.waitForLoadState("load"), page.click("form.correct button")]);
    await page.waitForSelector(".notice, [role=alert]");
  }
  check((await one.textContent(".notice")).includes(`${site.groupSize} alerts are BenignPositive`), "the group was not settled: " + await one.textContent("main"));
  check((await two.textContent("main")).includes("Nothing was changed"), "the second browser was not told");
  await two.goto(site.address + "/case/" + site.group);
  await two.selectOption("#as", "TruePositive");
  await two.click("main form button");
  await two.waitForSelector(".notice");
  check((await two.textContent(".notice")).includes("back in triage"), "correcting does not reopen what was derived: " + await two.textContent(".notice"));
  await one.context().close();
  await two.context().close();
}

async function withoutScripts() {
  const page = await open({ javaScriptEnabled: false });
  await signIn(page, site.analyst);
  await page.click("a.row");
  await page.selectOption("#as", "FalsePositiveLogic");
  await page.click("form.correct button");
  check((await page.textContent(".notice")).includes("FalsePositiveLogic"), "deciding without scripts does nothing");
  await page.click("text=Sign out");
  await page.goto(site.address + "/rules");
  check(page.url().includes("/sign-in"), "signed out, and still in");
  await page.context().close();
}

// paint measures the first contentful paint of the queue, the best of five: other work runs on this machine.
async function paint() {
  const page = await open();
  await signIn(page, site.viewer);
  const took = [];
  for (let i = 0; i < 5; i++) {
    await page.goto(site.address + "/");
    await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
    took.push(await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime));
  }
  const waits = await page.textContent("h1");
  console.log(`first paint of the queue while ${waits.trim()}: ${took.map((t) => Math.round(t)).join(", ")} ms`);
  check(Math.min(...took) < 300, `the first paint took ${Math.round(Math.min(...took))} ms`);
  check(Number.parseInt(waits, 10) >= site.waiting, `only ${waits}`);
  await page.context().close();
}

for (const step of [paint, everyPage, viewer, keyboard, race, withoutScripts]) {
  try { await step(); } catch (e) { failures.push(`${step.name}: ${e.message}`); }
}
await browser.close();
for (const f of failures) console.log("FAILED " + f);
process.exit(failures.length ? 1 : 0);
