// The public pages follow the device of their reader: light or dark. Without scripts they are light.
(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => {
    document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light";
  };
  dress();
  dark.addEventListener("change", dress);
})();
