"""Render an HTML documentation page from OpenAPI data, without scripts or external resources."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment, select_autoescape

_TEMPLATE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{ spec.info.title }}</title>
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1b1f24;background:#fff}
h2{margin-top:2.5rem;border-bottom:1px solid #d0d7de}
details{border:1px solid #d0d7de;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{overflow:auto;background:#f6f8fa;padding:.6rem;border-radius:6px}
.m{display:inline-block;min-width:4.5em;font-weight:600;text-transform:uppercase}
@media(prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}pre{background:#161b22}
h2,details{border-color:#30363d}a{color:#58a6ff}}
</style>
<h1>{{ spec.info.title }} <small>{{ spec.info.version }}</small></h1>
<p>The same as data: <a href="/openapi.json">/openapi.json</a></p>
{% for tag, entries in groups %}<h2>{{ tag }}</h2>
{% for path, method, item in entries %}<details><summary><span class="m">{{ method }}</span>
<code>{{ path }}</code> — {{ item.summary }}</summary>
{% if item.description %}<p>{{ item.description }}</p>{% endif %}
{% if item.requestBody %}<p>Request: {{ item.requestBody.content | join(", ") }}</p>
<pre>{{ item.requestBody.content | shape }}</pre>{% endif %}
<p>Answers:</p><ul>{% for status, answer in item.responses.items() %}
<li><code>{{ status }}</code> {{ answer.description }}
{% if answer.content %}({{ answer.content | join(", ") }}){% endif %}</li>{% endfor %}</ul>
</details>{% endfor %}{% endfor %}
<h2>Schemas</h2>{% for name, schema in spec.components.schemas.items() %}
<details id="{{ name }}"><summary><code>{{ name }}</code></summary>
<pre>{{ schema | shape }}</pre></details>{% endfor %}
</html>"""


def _shape(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def render_docs(spec: dict[str, Any]) -> str:
    """Render an OpenAPI specification as HTML, grouped by tag."""
    groups: dict[str, list[tuple[str, str, Any]]] = {}
    for path, methods in spec["paths"].items():
        for method, item in methods.items():
            groups.setdefault(item["tags"][0], []).append((path, method, item))
    environment = Environment(autoescape=select_autoescape(default=True))
    environment.filters["shape"] = _shape
    return environment.from_string(_TEMPLATE).render(spec=spec, groups=sorted(groups.items()))
