"""One example per sketch and family: what the generated checks of the contract run on."""
