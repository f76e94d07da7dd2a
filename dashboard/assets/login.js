// Comforts of the login page, which works without them: a link's `#alert=ID` survives the login.
"use strict";

const next = document.querySelector('input[name="next"]');
if (next && window.location.hash) next.value = next.value.split("#")[0] + window.location.hash;
