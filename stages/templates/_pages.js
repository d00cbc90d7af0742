(() => {
  const root = document.documentElement, dialog = document.querySelector("dialog");
  const large = dialog.querySelector("img"), caption = dialog.querySelector("figcaption");
  let pictures = [], at = 0;
  const show = (index) => {
    at = (index + pictures.length) % pictures.length;
    large.src = pictures[at].src; large.alt = pictures[at].alt;
    caption.textContent = pictures[at].alt + (pictures.length > 1 ? `  (${at + 1} of ${pictures.length})` : "");
  };
  document.querySelector(".theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".zoom");
    if (!button) return;
    const group = button.closest(".portrait, .grid, .photos, .trial");
    pictures = [...group.querySelectorAll(".zoom img")];
    for (const turn of dialog.querySelectorAll(".turn")) turn.hidden = pictures.length < 2;
    show(pictures.indexOf(button.querySelector("img")));
    dialog.showModal();
  });
  dialog.addEventListener("click", (event) => {
    const turn = event.target.closest(".turn");
    if (turn) show(at + (turn.classList.contains("next") ? 1 : -1)); else dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) { event.preventDefault(); show(at + step); }
  });
})();
