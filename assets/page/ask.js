// Ctrl+Enter in the text of the Inference tab presses its button.
if (!document.body.dataset.asks) {
  document.body.dataset.asks = "yes";
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.closest(".wb-ask-text")) return;
    event.preventDefault();
    document.querySelector("button.wb-ask-run:not([disabled]), .wb-ask-run button:not([disabled])")?.click();
  });
}
