// Of each clip's videos the first one leads (report.js gives it the slider and the charts); the others follow it here.
"use strict";
const NEAR = 0.02, FAR = 0.5; // seconds: nearer is in step; farther is sought anew, as a seek takes longer than it gains
for (const clip of document.querySelectorAll("section.clip")) {
  const [leader, ...followers] = clip.querySelectorAll("video");
  const late = (video) => leader.currentTime - video.currentTime;
  const align = () => {
    for (const video of followers) {
      video.playbackRate = leader.playbackRate;
      if (!video.seeking && Math.abs(late(video)) > NEAR) video.currentTime = leader.currentTime;
    }
  };
  // While they play, one that is late runs faster until it is in step: nothing stands still or jumps.
  const steer = () => {
    for (const video of followers) {
      const by = late(video);
      if (!video.seeking && Math.abs(by) > FAR) video.currentTime = leader.currentTime;
      const rate = leader.playbackRate + (Math.abs(by) > NEAR ? 2 * by : 0);
      video.playbackRate = Math.min(Math.max(rate, 0.0625), 4); // what browsers can do
    }
    if (!leader.paused) requestAnimationFrame(steer);
  };
  leader.addEventListener("play", () => { align(); for (const video of followers) video.play(); steer(); });
  leader.addEventListener("pause", () => { for (const video of followers) video.pause(); align(); });
  leader.addEventListener("seeking", align);
  leader.addEventListener("seeked", align);
  leader.addEventListener("ratechange", align);
  for (const video of followers) {
    // one that ran to its end before the leader came round again stands still until it is told to go on
    video.addEventListener("seeked", () => {
      if (leader.paused) align();
      else if (video.paused) video.play();
    });
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
