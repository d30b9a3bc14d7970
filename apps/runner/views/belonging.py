"""What a robot does about itself: its token, its leaving, and what it could be asked to run."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.core.api.bodies import read_json
from apps.core.api.plain import api_view
from apps.core.errors import Invalid
from apps.robots import services as robots
from apps.runner.authentication import caller_of, token_of
from apps.runner.serializers.packages import wanted_packages
from apps.runner.serializers.robots import Body, uuid
from apps.runner.views.robots import reply

#: So many processes can be named at once.
MOST_NAMED = 50


@api_view("POST")
def deregister(request: HttpRequest) -> HttpResponseBase:
    """Let a robot leave for good. Its history stays."""
    caller = caller_of(request)
    body = Body(read_json(request))
    session = body.take("session", uuid, "the id of the session, or null", default=None)
    body.done()
    robots.deregister_robot(caller.robot, actor=caller.actor, session=session)
    return reply({"answer": "deregistered"})


@api_view("POST")
def rotate_token(request: HttpRequest) -> HttpResponseBase:
    """Give a robot another token for the one it speaks with."""
    caller = caller_of(request)
    read_json(request)  # There is nothing to be said in it.
    token, expires_in = robots.rotate_own_token(caller.robot, actor=caller.actor, token=token_of(request))
    return reply({"api_token": token, "expires_in": expires_in})


@api_view("GET")
def list_packages(request: HttpRequest) -> HttpResponseBase:
    """List what a robot could be asked to run, so that it can prepare for it."""
    caller = caller_of(request)
    named = {name.strip().lower() for name in request.GET.getlist("process")}
    if len(named) > MOST_NAMED:
        raise Invalid.field("process", f"name at most {MOST_NAMED} processes.")
    return reply({"items": wanted_packages(caller.robot, named)})
