// What is missing for who cannot see the page, cannot use a mouse, or hits badly.
() => {
  const faults = [];
  const check = (holds, fault) => holds || faults.push(fault);
  const words = (element) => (element.getAttribute("aria-label") ?? element.textContent).trim();
  const named = (element) =>
    words(element) || document.getElementById(element.getAttribute("aria-labelledby"));
  const all = (query) => [...document.querySelectorAll(query)].filter((one) => one.checkVisibility());
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  check(new Set(ids).size === ids.length, "an id is given twice");
  check(document.documentElement.lang, "the page has no language");
  check(document.title, "the page has no title");
  for (const landmark of ["header.bar", "main", "footer"])
    check(all(landmark).length === 1, `no ${landmark}`);
  check(all("h1").length === 1, "there must be one h1");
  let level = 1;
  for (const heading of all("h1, h2, h3, h4")) {
    check(Number(heading.tagName[1]) <= level + 1, `heading skips a level: ${words(heading)}`);
    level = Number(heading.tagName[1]);
  }
  for (const input of all("input, select, textarea"))
    check(input.labels.length || input.ariaLabel, `no label: ${input.id}`);
  for (const one of all("button, a, summary, [tabindex='0'], [role=region], [role=group], dialog, section"))
    check(named(one), `no name: ${one.outerHTML.slice(0, 80)}`);
  for (const head of all("th")) check(["col", "row"].includes(head.scope), `no scope: ${words(head)}`);
  for (const own of all("[tabindex]")) check(own.tabIndex <= 0, `an order of its own: ${own.id}`);
  for (const label of document.querySelectorAll("[aria-labelledby], [aria-describedby]"))
    for (const attribute of ["aria-labelledby", "aria-describedby"])
      for (const id of (label.getAttribute(attribute) ?? "").split(" ").filter(Boolean))
        check(document.getElementById(id), `names what is not there: ${id}`);
  for (const target of all("button, select, input:not([type=radio])")) {
    const { width, height } = target.getBoundingClientRect();
    check(width >= 24 && height >= 24, `too small to hit: ${words(target)} ${width}x${height}`);
  }
  return faults;
};
