// Choosing a subject is enough; no need to press the button as well.
for (const field of document.querySelectorAll("[data-submit]")) {
  field.addEventListener("change", () => field.form.requestSubmit());
}

// A picture is looked at before it is sent.
for (const field of document.querySelectorAll("input[type=file]")) {
  field.addEventListener("change", () => {
    document.querySelector(".preview")?.remove();
    if (!field.files.length) return;
    const picture = Object.assign(new Image(), { className: "cover preview", src: URL.createObjectURL(field.files[0]) });
    field.after(picture);
  });
}
