"""`WebUI`: one method a route, typed in and out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ._jobs import Answered, Job
from ._routes import (
    CatalogueRoutes,
    ExtensionRoutes,
    ExtrasRoutes,
    InternalRoutes,
    ServerRoutes,
    build,
    route,
)
from ._transport import Transport
from ._watch import TaskWatch
from .errors import CapabilityMissing, UnexpectedResponse, WebUIError
from .progress import CancelToken, Progress
from .timeouts import Timeouts
from .types import GenerationRequest, GenerationResult, Img2ImgRequest, Txt2ImgRequest

if TYPE_CHECKING:
    from .capabilities import Capabilities
    from .units import Script, Unit

STALE_AFTER_S = 3.0
"""Before a request is refused, capabilities older than this are read again."""


class WebUI(CatalogueRoutes, ServerRoutes, ExtrasRoutes, ExtensionRoutes, InternalRoutes):
    """A Stable Diffusion WebUI. Thread-safe:
    share one instance, the server works on one job at a time anyway.

    Args:
        url: Address, with a path where a proxy mounts the WebUI below one; `user:password@` in it is used
            and never shown.
        username: For --api-auth.
        password: For --api-auth.
        verify: TLS: False accepts any certificate, a path names a CA bundle.
        timeouts: How long to wait for what.
        headers: Sent with every request, for a proxy in front of the WebUI.
        retries: How often reads, and whatever never left this machine, are tried again.

    Raises:
        InvalidRequest: The address is none.

    Example:
        >>> with WebUI("http://gpu:7860", username="me", password="secret") as webui:  # doctest: +SKIP
        ...     result = webui.txt2img(prompt="studio portrait", width=512, height=768, steps=28)
        ...     result.images[0].save("portrait.png")
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:7860",
        *,
        username: str | None = None,
        password: str | None = None,
        verify: bool | str = True,
        timeouts: Timeouts | None = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 2,
    ) -> None:
        self._transport = Transport(
            url,
            username=username,
            password=password,
            verify=verify,
            timeouts=timeouts,
            headers=headers,
            retries=retries,
        )
        self._lock = threading.Lock()
        self._probe_lock = threading.Lock()
        self._capabilities: Capabilities | None = None
        self._probed_at = 0.0
        self._jobs: list[Job] = []

    @property
    def url(self) -> str:
        """The server's address without credentials."""
        return self._transport.url

    @property
    def timeouts(self) -> Timeouts:
        """How long this client waits."""
        return self._transport.timeouts

    def __repr__(self) -> str:
        return f"WebUI({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close kept connections; the object stays usable."""
        self._transport.close()

    def capabilities(self, *, refresh: bool = False) -> Capabilities:
        """Return what this server can do; asked once and kept until something here changes it.

        Args:
            refresh: Ask anew, as after putting files on the server.

        Raises:
            TransportError: The server does not answer.
            NotFound: It was started without --api.
        """
        from .probe import DISPENSABLE, ProbeAnswer, probe

        with self._probe_lock:
            known = self._capabilities
            if known is not None and not refresh:
                return known

            def get(path: str) -> ProbeAnswer:
                answer = self._transport.raw("GET", path)
                headers = dict(answer.headers)
                try:
                    return ProbeAnswer(answer.status, answer.json(), headers)
                except WebUIError as error:
                    # A proxy may keep some routes to itself; without those that only inform it goes as well.
                    if answer.status in (401, 403) and path not in DISPENSABLE:
                        raise
                    return ProbeAnswer(answer.status, None, headers, error)

            found = probe(get)
            self._capabilities = found
            self._probed_at = time.monotonic()
            return found

    @route("POST", "/sdapi/v1/txt2img")
    def txt2img(
        self,
        request: Txt2ImgRequest | None = None,
        *,
        units: Sequence[Unit] = (),
        script: Script | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
        task_id: str | None = None,
        **fields: Any,
    ) -> GenerationResult:
        """Draw pictures from text.

        Args:
            request: The request; or give its fields by name. Fields given here win.
            units: Always-on extensions: `ADetailer`, `ControlNet`, `AlwaysOnScript`.
            script: A selectable script.
            on_progress: Called about twice a second in this thread.
            cancel: Ends the job from another thread.
            task_id: Name of the job on the server, unique; made up when left out.
            **fields: Fields of `Txt2ImgRequest`.

        Returns:
            Pictures as the server encoded them, and what was verified to have run.

        Raises:
            InvalidRequest: A field is unknown or out of bounds; nothing was sent.
            CapabilityMissing: The server lacks something asked for; nothing was sent.
            EffectMissing: It answered, but something asked for was not applied.
            Cancelled: The token, `cancel()`, or somebody else's interrupt ended the job.
            AnswerLost: The job ran and its answer never came; `safe_to_resend` says whether to try again.
            KeyboardInterrupt: Ctrl-C; our job was interrupted first.
            WebUIError: Anything else; see `sdwebui_client.errors`.
        """
        wish = build(Txt2ImgRequest, request, fields)
        return self._generation("txt2img", wish, units, script, on_progress, cancel, task_id)

    @route("POST", "/sdapi/v1/img2img")
    def img2img(
        self,
        request: Img2ImgRequest | None = None,
        *,
        units: Sequence[Unit] = (),
        script: Script | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        cancel: CancelToken | None = None,
        task_id: str | None = None,
        **fields: Any,
    ) -> GenerationResult:
        """Draw pictures from pictures. Arguments, result and errors as in `txt2img`, fields of
        `Img2ImgRequest`.

        Width and height are the first picture's when left out (the server itself would take 512x512).
        """
        wish = build(Img2ImgRequest, request, fields)
        return self._generation("img2img", wish, units, script, on_progress, cancel, task_id)

    def cancel(self, task_id: str | None = None) -> bool:
        """Cancel our own jobs, from any thread; the call that waits for one raises `Cancelled`.

        A running job is interrupted, a waiting one as soon as it starts. Where the server knows no ids
        (--nowebui, SD.Next) only a job that was sent while the server was idle is interrupted: of any other
        nobody could tell whether it is the one that runs.

        Args:
            task_id: Only this job; None cancels every job of this client.

        Returns:
            Whether there was one to cancel.
        """
        with self._lock:
            found = [job for job in self._jobs if task_id is None or job.goes_by(task_id)]
        for job in found:
            job.token.cancel()
        return bool(found)

    @property
    def running(self) -> tuple[str, ...]:
        """Task ids of this client's jobs that are under way, waiting ones included."""
        with self._lock:
            return tuple(job.task_id for job in self._jobs)

    def _forget_capabilities(self) -> None:
        self._capabilities = None

    def _generation(
        self,
        endpoint: str,
        request: GenerationRequest,
        units: Sequence[Unit],
        script: Script | None,
        on_progress: Callable[[Progress], None] | None,
        cancel: CancelToken | None,
        task_id: str | None,
    ) -> GenerationResult:
        from ._interpret import interpret
        from ._prepare import prepare
        from .capabilities import Flavour

        caps = self.capabilities()
        try:
            prepared = prepare(endpoint, request, units, script, caps)
        except CapabilityMissing:
            if time.monotonic() - self._probed_at < STALE_AFTER_S:
                raise
            # Somebody may have added files or finished starting the server since it was asked.
            caps = self.capabilities(refresh=True)
            prepared = prepare(endpoint, request, units, script, caps)
        watch = TaskWatch(
            self._transport,
            has_ids=caps.has_task_ids,
            marks_interrupts=caps.flavour is not Flavour.SDNEXT,
        )
        job = Job(
            self._transport,
            watch,
            prepared.path,
            prepared.payload,
            task_id=task_id,
            on_progress=on_progress,
            token=cancel,
        )
        answered = self._run(job)
        if not isinstance(answered.body, dict):
            raise UnexpectedResponse(
                f"{self.url}{prepared.path} answered a {type(answered.body).__name__} instead of an object",
                url=self.url + prepared.path,
            )
        sent = replace(prepared, payload=job.payload)
        return interpret(sent, answered.body, caps, task_id=answered.task_id, elapsed_s=answered.elapsed_s)

    def _run(self, job: Job) -> Answered:
        with self._lock:
            self._jobs.append(job)
        try:
            return job.run()
        finally:
            with self._lock:
                self._jobs.remove(job)
