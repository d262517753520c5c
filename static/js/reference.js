// Draws our OpenAPI with Swagger UI. It asks nobody but us: no validator, no fonts, no scripts from elsewhere.
(() => {
  "use strict";
  const place = document.getElementById("reference");
  document.documentElement.classList.toggle("dark-mode", document.documentElement.dataset.bsTheme === "dark");
  window.SwaggerUIBundle({
    url: place.dataset.schema,
    domNode: place,
    deepLinking: true,
    docExpansion: "none",
    defaultModelsExpandDepth: -1,
    filter: true,
    validatorUrl: null,
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
})();
