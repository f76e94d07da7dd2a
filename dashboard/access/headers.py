"""The headers that every answer carries, in one place: what a browser may load, run, send and tell.

A policy begins with `default-src 'none'` and names what its page needs, always from this server alone. No page runs inline scripts but
those whose hash is in its policy, and none evaluates text as code.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response, request

__all__ = ["FORM_POLICY", "add_headers", "policy"]

_ALWAYS = {"base-uri": "'none'", "form-action": "'self'", "frame-ancestors": "'none'"}
_HSTS = "max-age=31536000"
_FIXED = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()",
    # For browsers that do not know `frame-ancestors`.
    "X-Frame-Options": "DENY",
}
_STATIC = ("/assets/", "/_dash-component-suites/", "/_favicon.ico", "/rubric")


def policy(**sources: str) -> str:
    """Return a content security policy: nothing but what is named, no base address, forms to this server, in no frame.

    Args:
        sources: by directive, with `_` for `-`.

    >>> policy(script_src="'self'")
    "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    """
    rules: Mapping[str, str] = {"default-src": "'none'", **{name.replace("_", "-"): value for name, value in sources.items()}, **_ALWAYS}
    return "; ".join(f"{name} {value}" for name, value in rules.items())


FORM_POLICY = policy(script_src="'self'", style_src="'self'", img_src="'self'", connect_src="'self'")
"""Of the pages that are forms: login, password, messages."""


def add_headers(server: Flask, default_policy: str = "default-src 'none'", *, https: bool = False) -> None:
    """Let every answer carry the headers that protect it; a route may bring a policy of its own.

    Args:
        server: whose answers.
        default_policy: of answers whose route brings none.
        https: whether people reach the server by https: their browsers then never ask without it again.
    """

    @server.after_request
    def guard(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", default_policy)
        for name, value in _FIXED.items():
            response.headers[name] = value
        if https:
            response.headers["Strict-Transport-Security"] = _HSTS
        if "Cache-Control" not in response.headers:
            # What is about people or for one of them stays in no cache.
            response.headers["Cache-Control"] = "no-cache" if request.path.startswith(_STATIC) else "no-store"
        return response
