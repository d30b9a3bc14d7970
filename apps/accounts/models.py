"""People, service accounts, and the keys with which programs call."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from apps.core import tokens
from apps.core.actors import Actor, Bounds
from apps.core.models import InTenant, Row, SameTenant, TenantRow, tenant_key
from apps.core.time_zones import known_time_zone
from apps.core.tokens import Credential, Token
from apps.rbac import services as rbac
from apps.tenancy.models import Tenant


class UserKind(models.TextChoices):
    PERSON = "person"
    SERVICE = "service", "service account"


class UserQuerySet(models.QuerySet["User"]):
    def visible_to(self, actor: Actor) -> UserQuerySet:
        """Return the users the actor may look at, who always include the actor's own."""
        if actor.is_system or (actor.user is not None and actor.user.is_superuser and actor.tenant_id is None):
            return self
        if actor.user is None:
            return self.none()
        tenants = Tenant.objects.filter(pk__in=rbac.tenants_where(actor, "accounts.view_user"))
        together = Q(group_memberships__group__role_assignments__tenant__in=tenants)
        together |= Q(group_memberships__group__tenant__in=tenants)
        shared = Q(role_assignments__tenant__in=tenants) | Q(tenant__in=tenants) | together
        return self.filter(pk__in=self.model._base_manager.filter(shared | Q(pk=actor.user.pk)).values("pk"))


class UserManager(BaseUserManager["User"]):
    """What Django's own commands expect; our doors call services."""

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(username__iexact=username)

    def get_queryset(self) -> UserQuerySet:
        return UserQuerySet(self.model, using=self._db)

    def visible_to(self, actor: Actor) -> UserQuerySet:
        return self.get_queryset().visible_to(actor)


class User(AbstractBaseUser, PermissionsMixin, Row):
    """Somebody who signs in, or a service account that only holds keys."""

    username = models.CharField(max_length=150, help_text="What one signs in with.")
    email = models.EmailField("e-mail", blank=True)
    name = models.CharField("display name", max_length=200, blank=True)
    kind = models.CharField(max_length=8, choices=UserKind, default=UserKind.PERSON, editable=False)
    tenant = models.ForeignKey(
        "tenancy.Tenant",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The one tenant of a service account.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[known_time_zone])
    is_active = models.BooleanField("active", default=True)
    is_staff = models.BooleanField("may open the admin", default=False)

    preferences = models.JSONField(default=dict, blank=True, help_text="What their own programs keep about them.")
    #: The session that the request belongs to, if it is by one; no column.
    at_session: UserSession | None = None

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[Any] = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("username"), name="user_username_free"),
            models.UniqueConstraint(Lower("email"), name="user_email_free", condition=~Q(email="")),
            models.CheckConstraint(
                name="user_service_account_has_tenant",
                condition=Q(kind=UserKind.PERSON) | Q(kind=UserKind.SERVICE, tenant__isnull=False, is_superuser=False),
            ),
        ]
        ordering = ["username"]

    def __str__(self) -> str:
        return self.name or self.username

    @property
    def is_service(self) -> bool:
        return self.kind == UserKind.SERVICE

    @property
    def signed_in_at(self) -> datetime | None:
        """When they last proved who they are, in the session that the request belongs to."""
        return self.at_session.proved_at if self.at_session is not None else None

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return str(self)


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def visible_to(self, actor: Actor) -> ApiTokenQuerySet:
        """Return the keys the actor may look at, who always include its own in the tenants it reaches."""
        known = rbac.visible(self.model._base_manager.all(), actor, "accounts.view_apitoken")
        sees_own = actor.user is not None and (actor.bounds or Bounds()).permit("accounts.view_apitoken")
        own = Q(user=actor.user) if sees_own else Q(pk=None)
        within = Q(tenant_id=actor.tenant_id) if actor.tenant_id is not None else Q()
        return self.filter(Q(pk__in=known.values("pk")) | (own & within))


class ApiToken(Token):
    """A key with which a user's programs call the API, bound to one tenant, and as much narrower as its maker wants.

    After a rotation the text before goes on working until ``former_until``: both are found by the one public part.
    """

    KIND = "u"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="What uses this key, so that you know it again.")
    scopes = ArrayField(models.CharField(max_length=100), null=True, editable=False)
    # Not `folders`: a row that has those lies in them, while a key lies in its tenant.
    bound_folders = models.ManyToManyField("tenancy.Folder", through="ApiTokenFolder", related_name="+")
    # Apart from the rows that name the folders: with the last of them gone the key must not reach everything.
    in_folders = models.BooleanField(default=False, editable=False)
    networks = ArrayField(models.CharField(max_length=50), default=list, blank=True, editable=False)
    use_count = models.PositiveBigIntegerField(default=0, editable=False)
    rotated_at = models.DateTimeField(null=True, editable=False)
    former_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    former_until = models.DateTimeField(null=True, editable=False)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        constraints = [tenant_key("apitoken")]
        indexes = [models.Index(fields=["user", "-id"], name="apitoken_by_user")]

    def __str__(self) -> str:
        return f"{self.name} ({self.shown_as})"

    def accepts(self, plain: tokens.PlainToken) -> bool:
        """Say whether the secret is the key's, or that before its rotation for as long as the two overlap."""
        if super().accepts(plain):
            return True
        now = timezone.now()
        overlaps = self.former_until is not None and self.former_until > now and self.is_live(now)
        return overlaps and tokens.is_secret_of(self.former_digest, plain)

    def bounds(self) -> Bounds:
        """Return how far the key narrows what its user may; with a query only where it names folders."""
        paths = tuple(self.bound_folders.values_list("path", flat=True)) if self.in_folders else None
        scopes = None if self.scopes is None else frozenset(self.scopes)
        return Bounds(scopes, paths, tuple(self.networks), self.expires_at)


class ApiTokenFolder(TenantRow):
    """A folder in which, and below which, a key works."""

    token = InTenant(ApiToken, on_delete=models.CASCADE, related_name="+")
    folder = InTenant("tenancy.Folder", on_delete=models.CASCADE, related_name="+")

    class Meta:
        default_permissions = ()
        constraints = [
            SameTenant("token", name="apitokenfolder_token_same_tenant"),
            SameTenant("folder", name="apitokenfolder_folder_same_tenant"),
            models.UniqueConstraint(fields=["token", "folder"], name="apitokenfolder_once"),
        ]
        indexes = [models.Index(fields=["folder"], name="apitokenfolder_by_folder")]

    def __str__(self) -> str:
        return f"{self.token} in {self.folder}"


class ApiTokenUse(TenantRow):
    """How often a key was used on a day (of UTC) from one address; without one: from addresses beyond those kept."""

    token = InTenant(ApiToken, on_delete=models.CASCADE, related_name="uses")
    day = models.DateField()
    address = models.GenericIPAddressField(null=True)
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = [
            SameTenant("token", name="apitokenuse_same_tenant"),
            models.UniqueConstraint(
                fields=["token", "day", "address"], name="apitokenuse_counted_once", nulls_distinct=False
            ),
        ]
        indexes = [models.Index(fields=["day"], name="apitokenuse_by_day")]

    def __str__(self) -> str:
        return f"{self.count} on {self.day}"


class Door(models.TextChoices):
    ADMIN = "admin"
    API = "api", "API"


class UserSessionQuerySet(models.QuerySet["UserSession"]):
    def visible_to(self, actor: Actor) -> UserSessionQuerySet:
        """Return the actor's own sessions: nobody looks at those of others."""
        is_person = actor.user is not None and actor.tenant_id is None
        return self.filter(UserSession.live(), user=actor.user) if is_person else self.none()


class UserSession(Row, Credential):
    """A sign-in of a person, at the admin or over the API. It ends with them, and with the password of its day."""

    KIND = "p"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions", editable=False)
    door = models.CharField(max_length=8, choices=Door, editable=False)
    #: When the person last proved who they are.
    proved_at = models.DateTimeField(editable=False)
    password_state = models.CharField(max_length=64, editable=False)
    address = models.GenericIPAddressField(null=True, editable=False)
    agent = models.CharField(max_length=256, blank=True, editable=False)

    objects = UserSessionQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        verbose_name = "session"
        constraints = [models.CheckConstraint(name="usersession_door_known", condition=Q(door__in=Door.values))]
        indexes = [models.Index(fields=["user", "-id"], name="usersession_by_user")]

    def __str__(self) -> str:
        return f"{self.get_door_display()} ({self.shown_as})"

    @property
    def seen_at(self) -> datetime:
        """When somebody was last seen in it."""
        return self.last_used_at or self.created_at

    def is_good(self, now: datetime) -> bool:
        """Say whether the session counts: not over, of somebody who may sign in, and of their present password."""
        states = (self.user.get_session_auth_hash(), *self.user.get_session_auth_fallback_hash())
        is_of_today = any(constant_time_compare(self.password_state, state) for state in states)
        return self.is_live(now) and self.user.is_active and is_of_today


class TryOutcome(models.TextChoices):
    UNDER_WAY = "under_way"
    FAILED = "failed"
    SUCCEEDED = "succeeded"


class SignInTry(Row):
    """A try to prove by a password who one is, for as long as it says anything about the next one."""

    #: Stands for the name that was typed, which is not kept.
    account = models.CharField(max_length=64, editable=False)
    network = models.CharField(max_length=43, editable=False)
    outcome = models.CharField(max_length=9, choices=TryOutcome, default=TryOutcome.UNDER_WAY, editable=False)
    is_by_stranger = models.BooleanField(editable=False)

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(name="signintry_outcome_known", condition=Q(outcome__in=TryOutcome.values))
        ]
        indexes = [
            models.Index(fields=["account", "network", "created_at"], name="signintry_by_account"),
            models.Index(fields=["network", "created_at"], name="signintry_by_network"),
            models.Index(fields=["created_at"], name="signintry_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} from {self.network}"


class Avatar(Row):
    """The picture of a user. Its id is new with each picture, so that a copy of it may be kept for good."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="avatar", editable=False)
    image = models.BinaryField(editable=False)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Picture of {self.user}"
