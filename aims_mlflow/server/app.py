"""The pages under ``/aims`` of an MLflow server: ``mlflow server --app-name aims``, and ``aims-basic-auth`` on a server with users.

Both are MLflow's own app with one more thing in front of it, so that whatever MLflow checks of a request (host, origin) it checks
of these too. They read, and nothing else; what is not GET or HEAD is refused.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from markupsafe import escape

from aims_mlflow.errors import AimsError, ConfigurationError
from aims_mlflow.pages.addresses import parse
from aims_mlflow.pages.readers import EVERYTHING, Reader
from aims_mlflow.store import ungated

if TYPE_CHECKING:
    from flask import Flask, Response

    from aims_mlflow.pages.site import Site

log = logging.getLogger("aims_mlflow")

ROOT = "/aims"
"""Where the pages are, after the server's static prefix."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "browsing-topics=()",
    "Referrer-Policy": "no-referrer",
    "Vary": "Authorization, Cookie",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
"""What every answer says: no script, no font, no request, no frame; kept by the reader's own browser only, and asked for anew."""

Who = Callable[[], "Reader | Response"]


def create_app(app: Flask | None = None) -> Any:
    """Return MLflow's app with the pages: the factory behind ``mlflow server --app-name aims``. Nobody has to log in.

    Args:
        app: MLflow's Flask app; default: the one of this process.
    """
    from mlflow.environment_variables import _MLFLOW_SGI_NAME
    from mlflow.server import app as own

    made = app or own
    add_pages(made, lambda: EVERYTHING)
    if _MLFLOW_SGI_NAME.get() == "uvicorn":
        from mlflow.server.fastapi_app import create_fastapi_app

        return create_fastapi_app(made)
    return made


def create_app_with_users(app: Flask | None = None) -> Any:
    """Return MLflow's basic-auth app with the pages: the factory behind ``mlflow server --app-name aims-basic-auth``.

    Who may not read a registered model by MLflow's permissions does not read its records; who is not logged in reads nothing.

    Args:
        app: MLflow's Flask app; default: the one of this process.
    """
    import sqlalchemy
    from mlflow.server import app as own
    from mlflow.server import auth

    from aims_mlflow.server.turns import turn
    from aims_mlflow.server.users import who

    made = app or own
    add_pages(made, who)  # before MLflow's own check, which knows nothing of these pages and would refuse them to all but admins
    with turn(
        sqlalchemy.create_engine(auth.auth_config.database_uri), ["users"]
    ):  # workers start at once, and each sets the users' tables up
        return auth.create_app(made)


def add_pages(app: Flask, who: Who) -> None:
    """Let an app answer what is asked of ``/aims``.

    Args:
        app: MLflow's Flask app. Asked again for the same app, it does nothing.
        who: gives the reader of the request at hand, or the answer to somebody who may not ask.
    """
    from mlflow.server.handlers import _add_static_prefix

    if "aims_pages" in app.extensions:
        return
    pages = Pages(_add_static_prefix(ROOT), who)
    app.extensions["aims_pages"] = pages
    app.before_request(pages.answer)


class Pages:
    """Answers requests for pages.

    Args:
        root: where they are, without a slash at the end.
        who: gives the reader of the request at hand, or the answer to somebody who may not ask.
    """

    def __init__(self, root: str, who: Who) -> None:
        self.root, self._who = root, who
        self._making = threading.Lock()
        self._made: Site | None = None

    def answer(self) -> Response | None:
        """Return the answer to the request at hand; None where it is not about our pages."""
        from flask import Response, request

        path = request.path
        if path != self.root and not path.startswith(self.root + "/"):
            return None
        try:
            reader = self._who()
            if isinstance(reader, Response):
                found = reader
            elif request.method not in ("GET", "HEAD"):
                found = _said(405, "These pages can only be read", "Ask with GET or HEAD.")
                found.headers["Allow"] = "GET, HEAD"
            elif not path.endswith("/"):
                found = Response(status=308, headers={"Location": f"./{quote(path.rpartition('/')[2], safe='')}/"})
            else:
                found = self._page(path.removeprefix(self.root + "/"), reader)
        except ConfigurationError as error:
            found = _said(503, "This page cannot be shown", f"{error.what}.", f"What to do: {error.fix}." if error.fix else "")
        except AimsError as error:
            log.warning("%s cannot be shown: %s", path, error)
            found = _said(503, "This page cannot be shown now", "MLflow's store did not answer. The server's log has more.")
        except Exception:
            log.exception("%s cannot be shown", path)
            found = _said(500, "This page cannot be shown", "The server's log says why.")
        found.headers.update(HEADERS)
        return found

    def _page(self, path: str, reader: Reader) -> Response:
        from flask import Response, request

        page = self._site().page(parse(path), reader)
        made = Response(page.html, page.status, content_type="text/html; charset=utf-8")
        if page.status == 200:
            made.set_etag(page.etag)
            made.make_conditional(request)
            made.headers.pop("Date", None)  # the server's own stands there already
        return made

    def _site(self) -> Site:
        """Return the site of this process, made at the first question: workers are forked before they read."""
        with self._making:
            if self._made is None:
                from aims_mlflow.pages.site import Site

                self._made = Site(own_store(), ui="../", root=f"{self.root}/")
            return self._made


def own_store() -> Any:
    """Return the store of this server, read in its own process.

    Raises:
        ConfigurationError: the server keeps its runs where the pages cannot read them.
    """
    from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
    from mlflow.server.constants import BACKEND_STORE_URI_ENV_VAR, REGISTRY_STORE_URI_ENV_VAR
    from mlflow.store.db.db_types import DATABASE_ENGINES

    from aims_mlflow.server.inside import Inside

    tracking = os.environ.get(BACKEND_STORE_URI_ENV_VAR, "")
    registry = ungated(os.environ.get(REGISTRY_STORE_URI_ENV_VAR) or tracking)
    if MLFLOW_ENABLE_WORKSPACES.get():
        raise ConfigurationError("the pages do not know MLflow's workspaces yet", fix="start the server without --enable-workspaces")
    for name, uri in (("--backend-store-uri", tracking), ("--registry-store-uri", registry)):
        if uri.partition(":")[0].partition("+")[0] not in DATABASE_ENGINES:
            raise ConfigurationError(
                f"the pages read a database, and {name} names none", fix=f"start the server with {name} sqlite:///… or another database"
            )
    return Inside(tracking, registry)


def _said(status: int, title: str, *sentences: str) -> Response:
    """Return a page with a few words of ours."""
    from flask import Response

    body = "".join(f"<p>{escape(one)}</p>" for one in sentences if one)
    style = ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}"
    return Response(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>",
        status,
        content_type="text/html; charset=utf-8",
    )
