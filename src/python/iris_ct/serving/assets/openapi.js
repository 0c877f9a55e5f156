// Shows openapi.json, and sends requests from this page. Everything is put in as text.
"use strict";

const paths = document.getElementById("paths");
const token = document.getElementById("token");

function make(name, text, parent) {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function headers() {
  return token.value ? { authorization: "Bearer " + token.value } : {};
}

async function send(method, path, body, answer) {
  answer.textContent = "...";
  const asked = { method, headers: headers() };
  if (body !== null) {
    asked.body = body;
    asked.headers["content-type"] = "application/json";
  }
  try {
    const began = performance.now();
    const response = await fetch(path, asked);
    const took = (performance.now() - began).toFixed(1);
    answer.textContent = response.status + " in " + took + " ms\n" + (await response.text());
  } catch (error) {
    answer.textContent = "No answer: " + error.message;
  }
}

function show(path, method, operation, number) {
  const box = make("details", undefined, paths);
  const summary = make("summary", undefined, box);
  make("b", method.toUpperCase(), summary);
  summary.append(" " + path);
  make("p", operation.summary || operation.description || "", box);
  let body = null;
  if (operation.requestBody) {
    const content = operation.requestBody.content["application/json"] || {};
    const label = make("label", "Body", box);
    body = make("textarea", undefined, box);
    label.htmlFor = body.id = "body-" + number;
    body.value = content.example === undefined ? "{}" : JSON.stringify(content.example, null, 2);
  }
  const button = make("button", "Send", box);
  button.type = "button";
  const answer = make("pre", "", box);
  answer.setAttribute("role", "status");
  button.addEventListener("click", () => send(method, path, body && body.value, answer));
}

async function begin() {
  paths.replaceChildren();
  const response = await fetch("/openapi.json", { headers: headers() });
  if (!response.ok) {
    make("p", "openapi.json: " + response.status + ". Enter a token above.", paths);
    return;
  }
  const described = await response.json();
  document.getElementById("title").textContent =
    described.info.title + " " + described.info.version;
  document.getElementById("about").prepend((described.info.description || "") + " ");
  let number = 0;
  for (const [path, methods] of Object.entries(described.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      show(path, method, operation, ++number);
    }
  }
}

token.addEventListener("change", begin);
begin();
