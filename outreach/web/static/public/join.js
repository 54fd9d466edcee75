// Before the form is sent, reckons for a moment: our server takes more forms of a network that shows such work.
// Without this script the form is sent as it is. The page names the challenge and how many bits have to be zero.
"use strict";

const form = document.querySelector("form[data-challenge]");

async function prove(challenge, bits, address) {
  const encoder = new TextEncoder();
  for (let number = 0; ; number += 1) {
    const text = `${challenge}.${number}.${address}`;
    const hash = new DataView(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
    if (hash.getUint32(0) >>> (32 - bits) === 0) return `${challenge}.${number}`;
  }
}

if (form && window.crypto && crypto.subtle) {
  form.addEventListener("submit", async (event) => {
    if (form.work.value) return;
    event.preventDefault();
    try {
      form.work.value = await prove(form.dataset.challenge, Number(form.dataset.bits), form.email.value.trim());
    } finally {
      form.submit();
    }
  });
}
