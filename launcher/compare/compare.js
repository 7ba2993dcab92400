// Of each clip's videos the first one leads (report.js gives it the slider and the charts); the others follow it here.
"use strict";
const APART = 0.05; // seconds; under a frame of the videos, which show about 15 a second
for (const clip of document.querySelectorAll("section.clip")) {
  const [leader, ...followers] = clip.querySelectorAll("video");
  const align = (most) => {
    for (const video of followers) {
      if (!video.seeking && Math.abs(video.currentTime - leader.currentTime) > most) video.currentTime = leader.currentTime;
    }
  };
  const watch = () => {
    align(APART);
    if (!leader.paused) requestAnimationFrame(watch);
  };
  leader.addEventListener("play", () => { align(0); for (const video of followers) video.play(); watch(); });
  leader.addEventListener("pause", () => { for (const video of followers) video.pause(); align(0); });
  leader.addEventListener("seeking", () => align(0));
  leader.addEventListener("seeked", () => align(0));
  leader.addEventListener("ratechange", () => { for (const video of followers) video.playbackRate = leader.playbackRate; });
  for (const video of followers) {
    // one that ran to its end before the leader came round again stands still until it is told to go on
    video.addEventListener("seeked", () => { if (!leader.paused && video.paused) video.play(); align(APART); });
    video.addEventListener("click", () => (leader.paused ? leader.play() : leader.pause()));
  }
}

// A click on a heading sorts by its column, a second one the other way; numbers by their value, what has none last.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
  };
  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of heads) other.setAttribute("aria-sort", other === head ? (down ? "descending" : "ascending") : "none");
    const rows = [...body.rows];
    const numeric = rows.some((row) => typeof key(row, column) === "number");
    rows.sort((one, two) => {
      const a = key(one, column), b = key(two, column);
      if (numeric && typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      return (down ? -1 : 1) * compare(a, b);
    });
    body.append(...rows);
  }));
}
