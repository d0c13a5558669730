// Takes the picture of the page that the README shows: the demo's first case.
import { chromium } from "playwright-core";

const [address, token, picture] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, colorScheme: "light" });
await page.goto(address + "/sign-in");
await page.fill("#token", token);
await page.keyboard.press("Enter");
await page.waitForSelector(".who");
await page.click("tbody a");
await page.waitForLoadState("networkidle");
await page.screenshot({ path: picture });
await browser.close();
