// Draws a chart from the table that says the same: <figure data-chart="#id-of-the-table">.
// The first column names the points; every other header may say how its line looks: data-line="accent",
// data-dashed, data-fill. A cell's number stands in data-v. Colours are the page's own, so a change of theme
// draws it again. Without JavaScript the table is there.
(() => {
  "use strict";
  const drawn = [];
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (value) => (value >= 1000 ? `${Math.round(value / 100) / 10}k` : value);

  const seriesOf = (table) => {
    const heads = [...table.tHead.rows[0].cells].slice(1);
    const rows = [...table.tBodies[0].rows];
    return heads.map((head, place) => {
      const hue = head.dataset.line || "accent";
      const colour = css(hue === "accent" ? "--c-accent" : `--s-${hue}-solid`);
      return {
        name: head.textContent.trim(),
        type: "line",
        symbol: rows.length > 1 ? "none" : "circle",
        smooth: 0.15,
        data: rows.map((row) => Number(row.cells[place + 1].dataset.v)),
        lineStyle: { width: 2, color: colour, type: "dashed" in head.dataset ? "dashed" : "solid" },
        itemStyle: { color: colour },
        areaStyle: "fill" in head.dataset ? { color: colour, opacity: 0.1 } : undefined,
      };
    });
  };

  const options = (table) => {
    const ink = css("--c-ink-3");
    const line = css("--c-line");
    return {
      animation: false,
      aria: { enabled: false }, // the figure's own label and the table say it
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11.5 },
      grid: { left: 44, right: 16, top: 12, bottom: 24 },
      tooltip: {
        trigger: "axis",
        renderMode: "richText",
        backgroundColor: css("--c-surface"),
        borderColor: line,
        textStyle: { color: css("--c-ink"), fontSize: 12 },
      },
      xAxis: {
        type: "category",
        boundaryGap: false,
        data: [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim()),
        axisLine: { lineStyle: { color: css("--c-line-strong") } },
        axisTick: { show: false },
        axisLabel: { color: ink, hideOverlap: true },
      },
      yAxis: {
        type: "value",
        minInterval: 1,
        splitNumber: 4,
        axisLabel: { color: ink, formatter: short },
        splitLine: { lineStyle: { color: line } },
      },
      series: seriesOf(table),
    };
  };

  const draw = () => {
    for (const [chart, table] of drawn) chart.setOption(options(table), true);
  };

  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    const table = document.querySelector(figure.dataset.chart);
    if (!table || !window.echarts || !table.tBodies[0].rows.length) continue;
    figure.hidden = false;
    drawn.push([window.echarts.init(figure, null, { renderer: "svg" }), table]);
  }
  draw();
  new ResizeObserver(() => drawn.forEach(([chart]) => chart.resize())).observe(document.body);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
})();
