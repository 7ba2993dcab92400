// Each clip has one video; its slider and the cursors of its charts follow it, and it follows them.
"use strict";
for (const clip of document.querySelectorAll("section.clip")) {
  const video = clip.querySelector("video");
  const play = clip.querySelector(".play");
  const seek = clip.querySelector(".seek");
  const clock = clip.querySelector(".clock");
  const charts = [...clip.querySelectorAll(".chart svg")];

  const show = () => {
    const time = video.currentTime;
    if (video.duration) seek.value = 1000 * time / video.duration;
    clock.value = time.toFixed(2) + " s";
    for (const chart of charts) {
      const x = Number(chart.dataset.left) + time * Number(chart.dataset.scale);
      const cursor = chart.querySelector(".cursor");
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
  };
  const follow = () => {
    show();
    if (!video.paused) requestAnimationFrame(follow);
  };
  play.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
  video.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
  video.addEventListener("play", () => { play.textContent = "❚❚"; follow(); });
  video.addEventListener("pause", () => { play.textContent = "▶"; show(); });
  video.addEventListener("seeked", show);
  video.addEventListener("loadeddata", show);
  seek.addEventListener("input", () => { video.currentTime = video.duration * seek.value / 1000; });
  clip.querySelector(".rate").addEventListener("change", (event) => { video.playbackRate = Number(event.target.value); });

  for (const chart of charts) {
    const point = (event) => {
      const bounds = chart.getBoundingClientRect();
      const x = (event.clientX - bounds.left) * chart.viewBox.baseVal.width / bounds.width;
      const time = (x - Number(chart.dataset.left)) / Number(chart.dataset.scale);
      if (video.duration) video.currentTime = Math.min(Math.max(time, 0), video.duration);
    };
    chart.addEventListener("pointerdown", (event) => { chart.setPointerCapture(event.pointerId); point(event); });
    chart.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  }
}
