// The chart of the cost page that can be pointed at. The page has the same numbers without it.
"use strict";
(async () => {
  const section = document.getElementById("chart");
  if (!section || !window.uPlot) return;
  const answer = await fetch(`/cost/days?days=${section.dataset.days}`, { headers: { "HX-Request": "true" } });
  if (!answer.ok) return;
  const { series, data } = await answer.json();
  if (series.length === 0) return;
  section.hidden = false;
  const box = section.querySelector(".uplot-box");
  const colours = () => {
    const style = getComputedStyle(document.documentElement);
    return (name) => style.getPropertyValue(name).trim();
  };
  const money = (v) => (v == null ? "" : `$${v.toFixed(v !== 0 && Math.abs(v) < 0.01 ? 6 : 4)}`);
  let chart;
  const draw = () => {
    const c = colours();
    const axis = { stroke: c("--muted"), grid: { stroke: c("--edge"), width: 1 }, ticks: { stroke: c("--edge") } };
    const kinds = ["--s1", "--s2", "--s3", "--s4", "--s5", "--s6"];
    chart?.destroy();
    chart = new uPlot({
      width: Math.max(box.clientWidth - 32, 280), height: 280, tzDate: (s) => uPlot.tzDate(new Date(s * 1e3), "Etc/UTC"),
      axes: [axis, { ...axis, size: 80, values: (_, all) => all.map(money) }],
      series: [{ value: "{YYYY}-{MM}-{DD}" }, ...series.map((label, i) => ({
        label, stroke: c(kinds[i % kinds.length]), width: 2, points: { size: 5 }, value: (_, v) => money(v),
      }))],
    }, data, box);
  };
  draw();
  window.addEventListener("resize", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
