"use strict";
// What the sign-in page can do only with a script: passkeys, and Google, which answers in a fragment.
const KEY = "parley.google";
const NOT_KEPT = "This browser keeps no data of this page, so Google cannot be used. Allow site data, or sign in another way.";
const SENTENCES = {
  NotAllowedError: "Nothing was done: you said no, or took too long.",
  AbortError: "Nothing was done: you said no, or took too long.",
  SecurityError: "Passkeys do not work at the address of this page. Use another way to sign in.",
};
const byId = (id) => document.getElementById(id);
const here = location.href.split("#")[0];

function worksHere(form) {
  return form.dataset.origins.split(" ").includes(location.origin);
}

function say(text) {
  const said = byId("said");
  said.textContent = "";
  requestAnimationFrame(() => (said.textContent = text));
}

async function options(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.begin, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  if (!answer.ok) throw new Error("The server did not answer.");
  return (await answer.json()).options;
}

async function askPasskey(form, button) {
  button.disabled = true;
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(await options(form));
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.passkey.value = JSON.stringify(credential.toJSON());
  } catch (error) {
    say(SENTENCES[error.name] ?? "The passkey could not be used. Try again, or use another way to sign in.");
  }
  button.disabled = false;
  if (form.elements.passkey.value) form.requestSubmit(button);
}

function offerPasskey(form) {
  if (!form || !worksHere(form) || !window.PublicKeyCredential?.parseRequestOptionsFromJSON) return;
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    if (form.elements.passkey.value) return;
    event.preventDefault();
    askPasskey(form, event.submitter);
  });
}

// The program's request waits in this tab. Google's answer is taken for that request alone.
function offerGoogle(form) {
  if (!form || !worksHere(form)) return;
  form.hidden = false;
  form.addEventListener("submit", (event) => {
    if (keep({ request: here })) return;
    event.preventDefault();
    say(NOT_KEPT);
  });
  const waiting = take();
  const given = new URLSearchParams(waiting.answer);
  if (waiting.request !== here || !given.has("id_token")) return;
  const back = byId("google-back");
  back.elements.id_token.value = given.get("id_token");
  back.elements.state.value = given.get("state");
  back.requestSubmit(back.querySelector("button"));
}

function backFromGoogle(page) {
  const waiting = take();
  const wanted = new URL(page.dataset.request, here);
  const request = URL.canParse(waiting.request) && new URL(waiting.request);
  if (!request || request.origin !== wanted.origin || request.pathname !== wanted.pathname) {
    say("This tab asked for nothing. Go back to the application, and start again.");
  } else if (keep({ ...waiting, answer: location.hash.slice(1) })) location.replace(waiting.request);
  else say(NOT_KEPT);
}

// Storage may be blocked, full or missing.
function keep(waiting) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(waiting));
    return true;
  } catch {
    return false;
  }
}

function take() {
  try {
    const waiting = JSON.parse(sessionStorage.getItem(KEY)) ?? {};
    sessionStorage.removeItem(KEY);
    return waiting;
  } catch {
    return {};
  }
}

const page = byId("from-google");
if (page) backFromGoogle(page);
offerPasskey(byId("passkey"));
offerGoogle(byId("google"));
