// Keys for people who decide all day. Without this file everything works by link and form.
"use strict";
(() => {
  const store = "winnow-keys";
  const keysOn = () => { try { return localStorage.getItem(store) !== "off"; } catch { return true; } };
  const all = (selector) => [...document.querySelectorAll(selector)];
  const dialog = document.getElementById("keys");
  const opener = document.getElementById("keys-open");
  const toggle = document.getElementById("keys-on");
  let afterG = 0;

  if (opener && dialog) {
    opener.hidden = false;
    opener.addEventListener("click", () => dialog.showModal());
    toggle.checked = keysOn();
    toggle.addEventListener("change", () => { try { localStorage.setItem(store, toggle.checked ? "on" : "off"); } catch { /* private window */ } });
  }

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (e) => {
    if (e.defaultPrevented) return;
    if (e.target.dataset.sent) { e.preventDefault(); return; }
    if (e.target.method === "post") e.target.dataset.sent = "yes";
  });
  window.addEventListener("pageshow", () => all("form").forEach((f) => delete f.dataset.sent));

  const typing = (el) => el && (el.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(el.tagName));
  const move = (step) => {
    const rows = all("a.row");
    if (rows.length === 0) return false;
    const at = rows.indexOf(document.activeElement);
    const to = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + step, 0), rows.length - 1);
    rows[to].focus();
    rows[to].scrollIntoView({ block: "nearest" });
    return true;
  };
  const go = (key) => { const a = document.querySelector(`[data-go="${key}"]`); if (a) a.click(); return Boolean(a); };
  const focus = (key) => { const el = document.querySelector(`[data-key="${key}"]`); if (el) el.focus(); return Boolean(el); };

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || dialog?.open) return;
    if (e.key === "Escape" && typing(document.activeElement)) { document.activeElement.blur(); return; }
    if (typing(document.activeElement) || !keysOn()) return;
    if (Date.now() < afterG && /^[qrvch]$/.test(e.key)) { afterG = 0; if (go(e.key)) e.preventDefault(); return; }
    afterG = 0;
    const done = {
      j: () => move(1), k: () => move(-1), u: () => go("u"), n: () => go("n"), a: () => focus("a"), e: () => focus("e"),
      c: () => focus("c"), w: () => focus("w"), g: () => { afterG = Date.now() + 1500; return true; },
      "?": () => { dialog?.showModal(); return Boolean(dialog); },
    }[e.key]?.();
    if (done) e.preventDefault();
  });
})();
