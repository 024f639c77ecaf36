"""Policies: which rule covers an image, what it says of it, and which file counts."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from pyskopeo.config.policy import VARIABLE, Policy, load, locations
from pyskopeo.config.policy_identities import MatchExact
from pyskopeo.config.policy_requirements import (
    InsecureAcceptAnything,
    Reject,
    Requirement,
    SignedBaseLayer,
    SignedBy,
    SigstoreSigned,
)
from pyskopeo.config.policy_scopes import Subject, by_path, by_reference, unscoped
from pyskopeo.errors import InvalidInput, PolicyRejected, StorageFailed
from pyskopeo.model.reference import Reference
from tests.support.nobody import folder_of_nobody
from tests.support.policies import ACCEPT, REJECT

YES, NO = (InsecureAcceptAnything(),), (Reject(),)
SIGNED: tuple[Requirement, ...] = (SignedBy("GPGKeys", ("/k",)), SigstoreSigned(("/k",)))
IMAGE = by_reference("docker", Reference.parse("x.example.com:5000/a/b:v1"))
NAME = "docker://x.example.com:5000/a/b:v1"
ORDER = (
    "x.example.com:5000/a/b:v1", "x.example.com:5000/a/b", "x.example.com:5000/a", "x.example.com:5000",
    "*.example.com", "*.com", "",
)  # fmt: skip
BESIDE = ("x.example.com", "example.com", "*.x.example.com", "*", "x.example.com:5000/a/b:v2", "a/b", "x.example.com:5000/")


class TestLookup:
    @pytest.mark.parametrize("first", range(len(ORDER)))
    def test_the_most_specific_scope_counts_alone(self, first: int) -> None:
        scopes = dict.fromkeys(BESIDE, YES) | dict.fromkeys(reversed(ORDER[first + 1 :]), YES) | {ORDER[first]: NO}
        found = Policy(YES, {"docker": scopes}, "/p").requirements_for(IMAGE)
        assert found == (NO, f'transports.docker["{ORDER[first]}"]')

    @pytest.mark.parametrize("scopes", [{}, dict.fromkeys(BESIDE, YES)])
    def test_the_default_comes_last(self, scopes: dict[str, tuple[Requirement, ...]]) -> None:
        others = {"docker-daemon": {ORDER[0]: YES, "": YES}, "dir": {"": YES}}
        assert Policy(NO, others | {"docker": scopes}).requirements_for(IMAGE) == (NO, "default")

    def test_a_transport_without_scopes_of_its_own(self) -> None:
        policy = Policy(NO, {"tarball": {"": YES}})
        assert policy.requirements_for(unscoped("tarball")) == (YES, 'transports.tarball[""]')
        assert policy.requirements_for(unscoped("docker-archive")) == (NO, "default")

    def test_a_folder_covers_what_is_below_it_only(self) -> None:
        policy = Policy(NO, {"dir": {"/a/b": YES}})
        for path, wanted in (("/a/b", YES), ("/a/b/c/d", YES), ("/a/bc", NO), ("/a", NO), ("/", NO)):
            assert policy.requirements_for(by_path("dir", Path(path)))[0] == wanted


class TestJudging:
    def refusal(self, policy: Policy, image: Subject = IMAGE) -> PolicyRejected:
        with pytest.raises(PolicyRejected) as caught:
            policy.judge(image, NAME)
        assert caught.value.exit_code == 1
        assert "\n" not in str(caught.value)
        return caught.value

    def test_accepted(self) -> None:
        """And by a rule that demands no signature, which is not enough where one is required."""
        for policy in (
            Policy(YES),
            Policy(YES + YES, {}, "/p"),
            Policy(NO, {"docker": {"*.com": YES}}, "/p"),
            Policy.accepting(),
        ):
            policy.judge(IMAGE, NAME)
            refusal = self.refusal(replace(policy, require_signed=True))
            assert str(refusal).startswith(f"No signature verification policy found for image {NAME}: ")

    def test_rejected(self) -> None:
        found = self.refusal(Policy(YES, {"docker": {"*.com": NO}}, "/etc/policy.json"))
        assert str(found) == (
            f"Running image {NAME} is rejected by policy. "
            '(The rule: transports.docker["*.com"] in /etc/policy.json)'
        )
        assert (found.scope, found.where) == ('transports.docker["*.com"]', "/etc/policy.json")
        assert str(self.refusal(Policy(NO))) == f"Running image {NAME} is rejected by policy. (The rule: default)"

    @pytest.mark.parametrize("requirement", SIGNED)
    def test_a_signature_is_never_taken_for_granted(self, requirement: Requirement) -> None:
        lists = {order for n in (0, 1, 2) for order in itertools.permutations((requirement, *YES * n))}
        assert len(lists) == 1 + 2 + 3
        for requirements, require_signed in itertools.product(lists, (False, True)):
            policy = Policy(YES, {"docker": {"x.example.com:5000": requirements}}, "/p", require_signed)
            rule = policy.judge(IMAGE, NAME)
            assert rule.requirements == requirements[requirements.index(requirement) :]
            assert str(rule) == 'transports.docker["x.example.com:5000"] in /p'

    @pytest.mark.parametrize("requirement", SIGNED)
    def test_requirements_count_in_their_order(self, requirement: Requirement) -> None:
        rule = Policy((*YES, requirement, *YES, *NO), {}, "/p").judge(IMAGE, NAME)
        assert rule.requirements == (requirement, *YES, *NO)
        rule.check(requirement, NAME)
        rule.check(YES[0], NAME)
        with pytest.raises(PolicyRejected, match=r"^Running image .* \(The rule: default in /p\)$"):
            rule.check(NO[0], NAME)
        assert str(self.refusal(Policy((*YES, *NO, requirement)))).startswith("Running image")

    def test_a_requirement_that_nobody_implements(self) -> None:
        base = SignedBaseLayer(MatchExact())
        assert str(self.refusal(Policy((*YES, base), {}, "/p"))) == (
            "signedBaseLayer not implemented yet! (The rule: default in /p)"
        )

    def test_a_list_of_nothing_accepts_nothing(self) -> None:
        assert "must not be empty" in str(self.refusal(Policy(())))
        assert "must not be empty" in str(self.refusal(Policy(YES, {"docker": {"": ()}})))

    def test_a_signature_is_required(self) -> None:
        assert str(self.refusal(Policy(YES, {}, "/p", require_signed=True))) == (
            f"No signature verification policy found for image {NAME}: default in /p accepts it unsigned"
        )
        assert str(self.refusal(replace(Policy.accepting(), require_signed=True))) == (
            f"No signature verification policy found for image {NAME}: there is no policy that demands a signature"
        )
        assert str(self.refusal(Policy(NO, require_signed=True))).startswith("Running image")


class TestFiles:
    def write(self, path: Path, content: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
        return path

    def test_places(self) -> None:
        places = (
            Path("/home/u/.config/containers/policy.json"),
            Path("/etc/containers/policy.json"),
            Path("/usr/share/containers/policy.json"),
        )
        assert locations({}, Path("/home/u")) == places
        assert locations({VARIABLE: ""}, Path("/home/u")) == places
        assert locations({VARIABLE: "x/y.json", "HOME": "/z"}, Path("/home/u")) == (Path("x/y.json"),)
        assert VARIABLE == "CONTAINERS_POLICY_JSON"

    @pytest.fixture
    def places(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        found = [tmp_path / name / "policy.json" for name in ("user", "admin", "system")]
        monkeypatch.setattr("pyskopeo.config.policy.locations", lambda environ, home: tuple(found))
        return found

    def test_the_first_that_is_there_counts(self, places: list[Path]) -> None:
        assert load({}, Path("/h")) == Policy.accepting()
        assert Policy.accepting().where == ""
        for path in reversed(places):
            self.write(path, {"default": REJECT})
            assert load({}, Path("/h")) == Policy(NO, {}, str(path))

    def test_the_home(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / ".config/containers/policy.json", {"default": REJECT})
        assert load({}, tmp_path).where == str(path)

    @pytest.mark.parametrize("damage", ["damaged", "folder", "loop"])
    def test_one_that_is_there_must_be_right(self, damage: str, places: list[Path]) -> None:
        self.write(places[1], {"default": ACCEPT})
        places[0].parent.mkdir()
        if damage == "damaged":
            places[0].write_text('{"default": []}')
        elif damage == "folder":
            places[0].mkdir()
        else:
            places[0].symlink_to(places[0])
        with pytest.raises((InvalidInput, StorageFailed), match="^Error loading trust policy: ") as caught:
            load({}, Path("/h"))
        assert str(places[0]) in str(caught.value)

    def test_a_file_in_place_of_a_folder_is_no_policy(self, places: list[Path]) -> None:
        places[0].parent.write_text("")
        self.write(places[1], {"default": REJECT})
        assert load({}, Path("/h")).where == str(places[1])

    def test_the_named_one_is_the_only_one(self, places: list[Path], tmp_path: Path) -> None:
        for path in places:
            self.write(path, {"default": REJECT})
        named = self.write(tmp_path / "mine.json", {"default": ACCEPT})
        other = self.write(tmp_path / "other.json", {"default": REJECT})
        assert load({VARIABLE: str(other)}, Path("/h"), str(named)) == Policy(YES, {}, str(named))
        assert load({}, Path("/h"), "").where == str(places[0])

    def test_the_environment_names_one(self, tmp_path: Path) -> None:
        home = tmp_path / "home"
        self.write(home / ".config/containers/policy.json", {"default": ACCEPT})
        named = self.write(tmp_path / "mine.json", {"default": REJECT})
        assert load({VARIABLE: str(named)}, home).where == str(named)

    @pytest.mark.parametrize("by_flag", [True, False])
    def test_a_named_one_must_be_there(self, by_flag: bool, tmp_path: Path) -> None:
        there = self.write(tmp_path / ".config/containers/policy.json", {"default": ACCEPT})
        for missing, reason in (
            (tmp_path / "none.json", "no such file or directory"),
            (there / "below", "not a directory: a part of this path is a file"),
        ):
            environ, named = ({}, str(missing)) if by_flag else ({VARIABLE: str(missing)}, None)
            with pytest.raises(StorageFailed) as caught:
                load(environ, tmp_path, named)
            assert str(caught.value) == f"Error loading trust policy: open {missing}: {reason}"

    def test_one_that_may_not_be_read(self) -> None:
        """Whoever cannot see the rules does not go on without them."""
        with folder_of_nobody() as home:
            path = self.write(home / ".config/containers/policy.json", {"default": REJECT})
            path.chmod(0)
            with pytest.raises(StorageFailed, match=f"^Error loading trust policy: open {path}: permission denied$"):
                load({}, home)
            path.chmod(0o700)
            assert load({}, home).where == str(path)
            path.parent.chmod(0)  # another's home: as skopeo, whose user has no policy there
            assert load({}, home).where != str(path)
            with pytest.raises(StorageFailed, match="permission denied$"):
                load({}, home, str(path))
            path.parent.chmod(0o700)

    def test_a_name_that_is_none(self) -> None:
        with pytest.raises(InvalidInput, match=r'^Error loading trust policy: open "a\\u0000b": embedded null byte$'):
            load({}, Path("/h"), "a\0b")

    def test_a_damaged_file_says_where(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "p.json", {"default": ACCEPT, "transports": {"docker": {"a.b": [{"type": "x"}]}}})
        with pytest.raises(InvalidInput) as caught:
            load({}, Path("/h"), str(path))
        assert str(caught.value) == (
            f'Error loading trust policy: invalid policy in "{path}": Unknown policy requirement type "x" '
            'in transports.docker["a.b"][0]: '
            "want insecureAcceptAnything, reject, signedBy, sigstoreSigned, signedBaseLayer"
        )
