"""A project of Google's cloud, as far as an apply can tell it from the real one.

It keeps what was made, refuses what google/rules.py says, and answers what the API answers. It also notes what each
resource relied on, so that luck in the order of one apply can be told from an order that Terraform was asked for.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any, Final

from infra.google import answers, iam, rules
from infra.values import Values, at, known

Key = tuple[str, str]

FACTS: Final[dict[str, Any]] = tomllib.loads(Path(__file__).with_name("resources.toml").read_text())
GRANTED_ON: Final = {f"{kind}_iam_member": (kind, path) for kind, path in FACTS.pop("grants").items()}


class Refusal(Exception):
    """What the API says instead of doing it."""


@dataclass(frozen=True, slots=True)
class Reliance:
    """`who` was made because one of `on` was there; `settled` when that must have been so for a minute."""

    who: Key
    on: frozenset[Key]
    settled: bool
    why: str


def apis(kind: str, values: Mapping[str, Any]) -> list[str]:
    """The APIs that a resource needs."""
    more = [one for of, where, one, _ in rules.MORE_APIS if of == kind and (not where or any(at(values, where)))]
    own = (
        [] if kind == "time_sleep" else [rules.APIS[max((one for one in rules.APIS if kind.startswith(one)), key=len)]]
    )
    return own + more


@dataclass(slots=True)
class Cloud:
    project: str
    number: str = "123456789012"
    caller: str | None = None  # an address of an account; None is the administrator
    apis: dict[str, Key | None] = field(default_factory=lambda: {"serviceusage": None})  # and what switched each on
    resources: dict[Key, Values] = field(default_factory=dict)
    names: dict[Key, Key] = field(default_factory=dict)  # kind and each name by which it is referred to
    accounts: dict[str, Key | None] = field(default_factory=dict)  # each account and pool, and what made it
    grants: dict[Key, iam.Grant] = field(default_factory=dict)
    reliances: set[Reliance] = field(default_factory=set)
    pinned: bool = False  # whether a rollout has given the traffic to a revision by its name
    strict: bool = True  # otherwise a format that the provider refuses is only noted, so that one plan shows all
    refused: list[str] = field(default_factory=list)
    serials: Iterator[int] = field(default_factory=lambda: count(1))

    def seed(self, kind: str, name: str) -> None:
        """Something that was there before."""
        self.keep((kind, name), {"id": name, "name": name})

    # What a provider asks for.

    def create(self, kind: str, planned: Values) -> Values:
        values = known(planned)
        serial = next(self.serials)
        fill = self.fill(values) | {"serial": serial}
        values["id"] = self.identifier(kind, values, fill)
        for path, template in FACTS.get(kind, {}).get("answers", {}).items():
            answers.put(values, path, template.format_map(fill))
        key = (kind, values["id"])
        self.allow(kind, "create", values)
        self.check_names(key, values)
        self.check_references(key, values)
        if kind in GRANTED_ON:
            self.grant(key, values)
        self.check_needs(key, values)
        return answers.answer(kind, self.keep(key, values), pinned=self.pinned)

    def update(self, kind: str, planned: Values) -> Values:
        values = known(planned)
        key = (kind, values["id"])
        self.allow(kind, "update", values)
        self.forget(key)
        self.check_references(key, values)
        self.check_needs(key, values)
        return answers.answer(kind, self.keep(key, values), pinned=self.pinned)

    def read(self, kind: str, values: Values) -> Values | None:
        self.allow(kind, "read", values)
        found = self.resources.get((kind, values["id"]))
        return None if found is None else answers.answer(kind, deepcopy(found), pinned=self.pinned)

    def look_up(self, kind: str, values: Values) -> Values:
        """A data source."""
        self.allow(kind, "read", values)
        fill = self.fill(values)
        made = values | {"id": FACTS[kind]["id"].format_map(fill)}
        for path, template in FACTS[kind].get("answers", {}).items():
            made[path] = template.format_map(fill)
        self.make_accounts(kind, None, made)
        return made

    def delete(self, kind: str, values: Values) -> None:
        key = (kind, values["id"])
        if values.get("deletion_policy") == "ABANDON" or (
            kind == "google_project_service" and not values["disable_on_destroy"]
        ):
            return
        self.allow(kind, "delete", values)
        if values.get(rules.PROTECTED.get(kind, "")):
            raise Refusal(f"{key[1]} is protected: {rules.PROTECTED[kind]} is true")
        if kind in rules.HOLDS:
            self.empty(key, values)
        for user, path in self.users(key) if kind.startswith(rules.IN_USE) else ():
            raise Refusal(f"{key[1]} is in use by {path} of {user[1]}")
        self.forget(key)
        self.resources.pop(key, None)
        self.grants.pop(key, None)

    # How it decides.

    def allow(self, kind: str, operation: str, values: Values) -> None:
        """The API is on and the caller may."""
        for api in apis(kind, values) if operation != "delete" else ():
            if api not in self.apis:
                raise Refusal(f"{api}.googleapis.com has not been used in {self.project} before or it is disabled")
            if (switch := self.apis[api]) and "id" in values:
                self.rely((kind, values["id"]), switch, "it needs the API")
        if self.caller is None or kind == "time_sleep":
            return
        asked = [one for one in rules.CALLS if one[:2] == (kind, operation)]
        if not asked:
            raise Refusal(f"no rule says what {self.caller} needs to {operation} a {kind}: rules.CALLS")
        for _, _, permission, target, path, _ in asked:
            for on in self.find(values, path):
                self.demand(self.caller, permission, target, on)

    def demand(self, who: str, permission: str, target: str, on: str) -> list[iam.Grant]:
        """The grants by which `who` has the permission."""
        if not (held := self.holders(who, permission, target, on)):
            raise Refusal(f"{who} does not have {permission} on {target} {on}")
        return held

    def holders(self, who: str, permission: str, target: str, on: str) -> list[iam.Grant]:
        handle, resource_name = iam.locate(target, on)
        return [
            one
            for one in self.grants.values()
            if one.account in (who, "allUsers")
            and (one.on[0] == "google_project" or (one.on[0] == target and handle in (one.on[1], "*")))
            and permission in self.permissions(one.role)
            and iam.applies(one.condition, resource_name)
        ]

    def permissions(self, role: str) -> Any:
        custom = self.resources.get(("google_project_iam_custom_role", role))
        if custom is None and role not in iam.ROLES:
            raise Refusal(f"{role} is no role, or google/roles.toml does not have it")
        return custom["permissions"] if custom else iam.ROLES[role]

    def check_names(self, key: Key, values: Values) -> None:
        kind = key[0]
        if kind in GRANTED_ON:
            return
        if key in self.resources and kind not in rules.OVERWRITTEN:
            raise Refusal(f"{key[1]} already exists")
        for kinds, (attribute, pattern) in rules.NAMES.items():
            name = values.get(attribute)
            if fnmatchcase(kind, kinds) and isinstance(name, str) and not re.fullmatch(pattern, name):
                raise Refusal(f"{attribute} {name!r} is too long or has other characters than {pattern}")

    def check_references(self, key: Key, values: Values) -> None:
        for path, kinds in FACTS.get(key[0], {}).get("refers", {}).items():
            for value in at(values, path):
                self.rely(key, self.refer(kinds, value), f"{path} names it")

    def refer(self, kinds: str, value: str) -> Key:
        """What is named; a list names one each."""
        for kind in kinds.split("|"):
            if found := self.names.get((kind, iam.locate(kind, value)[0])):
                return found
        raise Refusal(f"there is no {kinds} {value}")

    def grant(self, key: Key, values: Values) -> None:
        kind, path = GRANTED_ON[key[0]]
        if (kind, values["role"]) in iam.NOT_TAKEN:
            raise Refusal(f"Role {values['role']} is not supported for this resource")
        self.permissions(values["role"])
        if kind != "google_project":
            self.rely(key, self.refer(kind, values[path]), "it is granted on it")
        self.check_member(key, values["member"])
        [condition] = [one["expression"] for one in values.get("condition") or []] or [None]
        on = (kind, iam.locate(kind, values[path])[0])
        self.grants[key] = iam.Grant(key, on, values["role"], iam.account(values["member"]), condition)

    def check_member(self, key: Key, member: str) -> None:
        if iam.must_exist(member):
            if (holder := iam.pool(iam.account(member))) not in self.accounts:
                raise Refusal(f"{member} does not exist")
            if maker := self.accounts[holder]:
                self.rely(key, maker, "it makes the account")

    def check_needs(self, key: Key, values: Values, when: tuple[str, ...] = (rules.BEFORE, rules.SETTLED)) -> None:
        for need in rules.NEEDS:
            if need.kind != key[0] or need.when not in when or (need.where and not any(at(values, need.where))):
                continue
            for who in self.find(values, need.who):
                for on in self.find(values, need.on):
                    held = self.demand(iam.account(who), need.permission, need.target, on)
                    why = f"{need.permission} for {who} ({need.source})"
                    own = frozenset(one.key for one in held)
                    self.reliances.add(Reliance(key, own, need.when == rules.SETTLED, why))

    def check_all(self) -> None:
        """What each resource needs to be made and to be used, whether or not it was there when it was made."""
        for key, values in list(self.resources.items()):
            self.allow(key[0], "create", values)
            self.check_needs(key, values, (rules.BEFORE, rules.SETTLED, rules.EVER))
            if key[0] in GRANTED_ON:
                self.check_member(key, values["member"])

    def empty(self, key: Key, values: Values) -> None:
        """What holds others goes only with them, or without any."""
        inner, path, own, switch = rules.HOLDS[key[0]]
        for held in [one for one, each in self.resources.items() if one[0] == inner and each[path] == values[own]]:
            if not values.get(switch):
                raise Refusal(f"{key[1]} is not empty")
            self.forget(held)
            del self.resources[held]

    def users(self, key: Key) -> Iterator[tuple[Key, str]]:
        for other, values in self.resources.items():
            for path, kinds in FACTS.get(other[0], {}).get("refers", {}).items():
                if key[0] in kinds.split("|") and any(
                    self.names.get((key[0], iam.locate(key[0], one)[0])) == key for one in at(values, path)
                ):
                    yield other, path

    # What it keeps.

    def keep(self, key: Key, values: Values) -> Values:
        self.resources[key] = values
        self.make_accounts(key[0], key, values)
        names = {key[1], *(values.get(name) for name in ("name", "email", "dataset_id", "membership_id"))}
        for name in names:
            for kind in (key[0], FACTS.get(key[0], {}).get("makes", key[0])):
                if isinstance(name, str):
                    self.names[kind, iam.locate(kind, name)[0]] = key
        return deepcopy(values)

    def make_accounts(self, kind: str, key: Key | None, values: Mapping[str, Any]) -> None:
        fill = self.fill(values)
        if kind == "google_project_service":
            self.apis.setdefault(values["service"].removesuffix(".googleapis.com"), key)
        elif kind == "google_service_account":
            self.accounts[values["email"]] = key
        elif kind == "google_container_cluster":
            self.accounts.setdefault(f"{self.project}.svc.id.goog", key)
        elif kind == "google_project_service_identity":
            self.accounts[fill["agent"]] = key
        elif agent := rules.MAKERS.get(kind):
            self.accounts.setdefault(rules.AGENTS[agent].format_map(fill), key)

    def forget(self, key: Key) -> None:
        self.names = {name: one for name, one in self.names.items() if one != key}
        self.reliances = {one for one in self.reliances if one.who != key}

    def rely(self, who: Key, on: Key, why: str) -> None:
        self.reliances.add(Reliance(who, frozenset({on}), False, why))

    def find(self, values: Mapping[str, Any], path: str) -> list[str]:
        """The texts that a rule's path means."""
        if path.startswith("="):
            return [path[1:].format_map(self.fill(values))]
        if path.startswith("$"):
            return [rules.AGENTS[path[1:]].format_map(self.fill(values))]
        return list(at(values, path))

    def fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        filled = {**values, "project": values.get("project") or self.project, "number": self.number}
        agent = rules.AGENTS.get(str(values.get("service")).removesuffix(".googleapis.com"), "")
        return filled | {"agent": agent.format_map(filled)}

    def identifier(self, kind: str, values: Values, fill: Mapping[str, Any]) -> str:
        if kind in GRANTED_ON:
            titles = [one["title"] for one in values.get("condition") or []]
            return "/".join([values[GRANTED_ON[kind][1]], values["role"], values["member"], *titles])
        template: str = FACTS[kind]["id"]
        return template.format_map(fill)
