// Where scripts run, the pictures of guards' last minutes become charts: a cursor that the mouse, a finger or the arrow
// keys move says what each minute was. The numbers are those beside the picture that the server drew, which stays for
// everybody else.
"use strict";

(() => {
  const HEIGHT = 96; // pixels; the line that says a minute's values is below
  const LOWEST_TOP = 1; // percent: with nothing failing, the line lies at the bottom
  const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false, timeZoneName: "short" });
  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  const drawn = new Map(); // element -> its chart

  const percent = (failures, outcomes) => (outcomes ? (100 * failures) / outcomes : null);
  const short = (number) => Number(number.toPrecision(3)) + "%";

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  // The values of one minute, in words.
  function words([at, failures, outcomes], moments) {
    const done = moments.filter(([when]) => when >= at && when < at + 60).map(([, what]) => what);
    const said = outcomes ? `${short(percent(failures, outcomes))}, ${failures} of ${outcomes} failed` : "nothing was heard";
    return [`${clock.format(at * 1000)}: ${said}`, ...done].join("; ");
  }

  function markMoments(plot, moments) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour("--soft");
    ctx.lineWidth = devicePixelRatio;
    for (const [at] of moments) {
      if (at < plot.scales.x.min || at > plot.scales.x.max) continue;
      const x = Math.round(plot.valToPos(at, "x", true));
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  function options(width, top, moments, tell) {
    const axis = { stroke: colour("--soft"), font: "11px Inter, sans-serif", ticks: { show: false } };
    return {
      width,
      height: HEIGHT,
      padding: [8, 16, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 8 } },
      scales: { y: { range: [0, top] } },
      axes: [
        { ...axis, size: 20, space: 48, grid: { show: false }, values: (_, found) => found.map((at) => hour.format(at * 1000)) },
        { ...axis, size: 42, space: 28, grid: { stroke: colour("--line"), width: 1 }, values: (_, found) => found.map(short) },
      ],
      series: [
        {},
        { stroke: colour("--bar"), width: 1.6, points: { show: true, size: 4, fill: colour("--bar") } },
        { stroke: colour("--red"), width: 1, dash: [5, 4], points: { show: false } },
      ],
      hooks: { draw: [(plot) => markMoments(plot, moments)], setCursor: [(plot) => tell(plot.cursor.idx)] },
    };
  }

  function draw(element) {
    const minutes = JSON.parse(element.dataset.minutes);
    if (minutes.length < 2 || !element.querySelector(".chart")) return;
    const moments = JSON.parse(element.closest("[data-moments]").dataset.moments);
    const limit = element.dataset.limit === "" ? null : Number(element.dataset.limit);
    const shares = minutes.map(([, failures, outcomes]) => percent(failures, outcomes));
    const top = Math.max(LOWEST_TOP, 1.25 * (limit || 0), ...shares);
    const reading = document.createElement("p");
    reading.className = "reading";
    let place = minutes.length - 1;

    function tell(index) {
      place = index === null || index === undefined ? minutes.length - 1 : index;
      reading.textContent = words(minutes[place], moments);
      element.setAttribute("aria-valuenow", place);
      element.setAttribute("aria-valuetext", reading.textContent);
    }

    const attributes = { role: "slider", tabindex: 0, "aria-label": `${element.dataset.name}, minute by minute`, "aria-valuemin": 0, "aria-valuemax": minutes.length - 1 };
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.classList.add("drawn");
    const data = [minutes.map(([at]) => at), shares, minutes.map(() => limit)];
    const plot = new uPlot(options(element.clientWidth, top, moments, tell), data, element);
    element.append(reading);
    tell(null);
    element.onkeydown = (event) => {
      const to = { ArrowLeft: place - 1, ArrowDown: place - 1, ArrowRight: place + 1, ArrowUp: place + 1, Home: 0, End: minutes.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      place = Math.min(Math.max(to, 0), minutes.length - 1);
      plot.setCursor({ left: plot.valToPos(minutes[place][0], "x"), top: 0 }, false);
      tell(place);
    };
    drawn.set(element, plot);
  }

  function forget(element) {
    drawn.get(element).destroy();
    drawn.delete(element);
    element.querySelector(".reading").remove();
    element.classList.remove("drawn");
  }

  // Those that are gone let go of the window; those that are new are drawn.
  function arrange() {
    for (const element of [...drawn.keys()]) if (!element.isConnected) forget(element);
    for (const element of document.querySelectorAll(".plot:not(.drawn)")) draw(element);
  }

  function anew() {
    for (const element of [...drawn.keys()]) forget(element);
    arrange();
  }

  window.addEventListener("resize", () => {
    for (const [element, plot] of drawn) plot.setSize({ width: element.clientWidth, height: HEIGHT });
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  document.addEventListener("htmx:afterSwap", arrange);
  document.fonts.ready.then(anew);
  arrange();
})();
