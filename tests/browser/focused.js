// Where the focus is, and whether that shows.
() => {
  const at = document.activeElement;
  const style = getComputedStyle(at);
  return {
    name:
      at.getAttribute("aria-label") ??
      at.labels?.[0]?.textContent.trim() ??
      at.textContent.trim().slice(0, 60),
    tag: at.tagName,
    id: at.id,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  };
};
