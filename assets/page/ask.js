// Keys of the Inference tab: Ctrl+Enter in the text presses its button, digits vote.
if (!document.body.dataset.asks) {
  document.body.dataset.asks = "yes";
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.closest(".wb-ask-text")) return;
    event.preventDefault();
    document.querySelector("button.wb-ask-run:not([disabled]), .wb-ask-run button:not([disabled])")?.click();
  });
  // In a blind vote the digits choose: 1 the first answer, 0 none.
  document.addEventListener("keydown", (event) => {
    if (!/^[0-9]$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const key = event.key === "0" ? "tie" : String(Number(event.key) - 1);
    document.querySelector(`.wb-all-panes [data-action="vote"][data-key="${key}"]`)?.click();
  });
}
