// Live numbers: every two seconds the numbers of the page are asked for and written into their
// places. Without this script the page shows the numbers of the moment when it was made.
"use strict";

(() => {
  const places = document.querySelectorAll("[data-live]");
  if (places.length === 0) return;
  const EVERY_MS = 2000;
  // What is spoken changes seldom, so that a screen reader is not talked over.
  const SPOKEN_MS = 20000;
  const said = document.querySelector("[data-said]");
  let spokenAt = 0;
  let paused = false;

  const show = (answer) => {
    for (const place of places) {
      const name = place.dataset.live;
      const text = Object.hasOwn(answer.numbers, name) ? answer.numbers[name] : "-";
      if (place.textContent !== text) place.textContent = text;
    }
    if (said && Date.now() - spokenAt >= SPOKEN_MS) {
      spokenAt = Date.now();
      if (said.textContent !== answer.words) said.textContent = answer.words;
    }
  };

  const look = async () => {
    if (!paused && !document.hidden) {
      try {
        const answer = await fetch("/console/live.json", { cache: "no-store" });
        if (answer.ok) show(await answer.json());
        else show({ numbers: {}, words: "No live numbers: the gateway refused them." });
      } catch {
        show({ numbers: {}, words: "No live numbers: the gateway does not answer." });
      }
    }
    setTimeout(look, EVERY_MS);
  };

  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Pause live numbers";
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Go on with live numbers" : "Pause live numbers";
  });
  const line = document.createElement("p");
  line.append(button);
  const first = document.querySelector("[data-live-page]");
  const before = first.closest(".scroll, dl") ?? first;
  before.before(line);
  look();
})();
