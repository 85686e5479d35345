// One document for each dialect that is served; /api-docs?dialect=emqx_v5 begins with that one.
fetch("/api-docs/dialects.json").then((answer) => answer.json()).then((documents) => {
  const wanted = new URLSearchParams(location.search).get("dialect");
  const choice = document.getElementById("dialect");
  for (const one of documents) choice.add(new Option(one.title, one.url, false, one.name === wanted));
  const show = () => SwaggerUIBundle({ url: choice.value, dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null });
  choice.addEventListener("change", show);
  show();
});
