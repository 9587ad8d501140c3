"use strict";
(() => {
  const root = document.documentElement;
  const drawn = new Set();

  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();

  const coloured = (layout) => {
    const axis = (given) => ({
      ...given, gridcolor: style("--line"), linecolor: style("--line"), zerolinecolor: style("--line"),
    });
    const annotations = (layout.annotations || []).map(
      (one) => ({ ...one, font: { ...one.font, color: style("--muted") } }));
    return {
      ...layout, annotations, xaxis: axis(layout.xaxis), yaxis: axis(layout.yaxis),
      template: {}, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, sans-serif", size: 12, color: style("--text") },
      hoverlabel: { bgcolor: style("--raised"), bordercolor: style("--line"), font: { color: style("--text") } },
    };
  };

  const draw = (place) => {
    const source = document.querySelector(`script[data-chart="${CSS.escape(place.id)}"]`);
    const { data, layout } = JSON.parse(source.textContent);
    drawn.add(place);
    return Plotly.react(place, data, coloured(layout), {
      responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false,
    });
  };

  // Charts are drawn when they come near the view: thirty at once would hold up the page.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".chart").forEach((place) => watcher.observe(place));

  const dark = () => root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    drawn.forEach(draw);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));

  const value = (row, column) => row.cells[column].dataset.sort;
  const compare = (one, other) => {
    if (one === "" || other === "") { return one === other ? 0 : one === "" ? 1 : -1; }
    const [a, b] = [Number(one), Number(other)];
    return Number.isNaN(a) || Number.isNaN(b) ? one.localeCompare(other) : a - b;
  };
  const infinite = (text) => text === "inf" ? "Infinity" : text === "-inf" ? "-Infinity" : text;
  document.querySelectorAll("table.sortable").forEach((table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const body = table.tBodies[0];
      [...body.rows]
        .sort((a, b) => (falling ? -1 : 1) * compare(infinite(value(a, column)), infinite(value(b, column))))
        .forEach((row) => body.append(row));
    }));
  });

  const filter = document.getElementById("filter");
  const filtered = document.getElementById("filtered");
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase().split(/\s+/);
    const rows = [...document.getElementById("all").tBodies[0].rows];
    rows.forEach((row) => {
      const text = row.textContent.toLowerCase();
      row.hidden = !words.every((word) => text.includes(word));
    });
    const left = rows.filter((row) => !row.hidden).length;
    filtered.textContent = left === rows.length ? "" : `${left} of ${rows.length} cases`;
  });

  const tabs = [...document.querySelectorAll('[role="tab"]')];
  const select = (chosen) => tabs.forEach((tab) => {
    const on = tab === chosen;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
  });
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => select(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) {
        const next = tabs[(place + step + tabs.length) % tabs.length];
        select(next);
        next.focus();
      }
    });
  });

  document.querySelectorAll(".exhibit").forEach((exhibit) => {
    const box = exhibit.querySelector(".outlines");
    const show = () => exhibit.classList.toggle("outlined", Boolean(box) && box.checked);
    if (box) { box.addEventListener("change", show); }
    show();
  });

  // One sound at a time.
  document.addEventListener("play", (event) => {
    document.querySelectorAll("audio").forEach((one) => { if (one !== event.target) { one.pause(); } });
  }, true);

  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }));

  const cases = document.querySelectorAll("details.case");
  document.getElementById("open-all").addEventListener("click", () => cases.forEach((one) => { one.open = true; }));
  document.getElementById("close-all").addEventListener("click", () => cases.forEach((one) => { one.open = false; }));
  const follow = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches("details")) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", follow);
  follow();
})();
