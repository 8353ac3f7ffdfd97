"use strict";
const sample = document.getElementById("sample");
const key = "m4jax-check-" + sample.dataset.digest;
const inputs = [...sample.querySelectorAll("input")];
const cards = [...sample.querySelectorAll("article")];

function answers() {
  return inputs.filter((one) => one.checked)
    .map((one) => [one.dataset.uid, one.dataset.question, one.value]);
}

function cell(text) {
  return /[",\r\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

function csv() {
  const rows = [["uid", "question", "answer"], ...answers()];
  return rows.map((row) => row.map(cell).join(",") + "\r\n").join("");
}

function show() {
  let done = 0;
  for (const card of cards) {
    const names = new Set([...card.querySelectorAll("input")].map((one) => one.name));
    const checked = card.querySelectorAll("input:checked").length;
    card.classList.toggle("done", checked === names.size);
    done += checked === names.size ? 1 : 0;
  }
  document.getElementById("done").textContent = done + " of " + cards.length + " answered";
}

function keep() {
  try {
    localStorage.setItem(key, JSON.stringify(answers()));
  } catch {
    // A browser may keep nothing for files: then the answers are lost unless they are saved.
  }
  show();
}

function recall() {
  let kept = [];
  try {
    kept = JSON.parse(localStorage.getItem(key)) || [];
  } catch {
    kept = [];
  }
  const told = new Set(kept.map((row) => JSON.stringify(row)));
  for (const one of inputs) {
    one.checked = told.has(JSON.stringify([one.dataset.uid, one.dataset.question, one.value]));
  }
  show();
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], { type: "text/csv" }));
  link.download = "answers.csv";
  link.click();
}

sample.addEventListener("change", keep);
document.getElementById("save").addEventListener("click", save);
recall();
