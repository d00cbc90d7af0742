"""What the mails say, in Korean and English. One text and one page are made of the same sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TEMPLATES: Mapping[str, tuple[str, ...]] = {
    "confirm": ("link",),
    "sign-in": ("link",),
    "reset": ("link",),
    "have-account": ("link",),
    "ready": ("link", "count"),
    "failed": ("message",),
    "account-deleted": (),
}
"""Every mail there is, and the parameters it cannot do without."""


@dataclass(frozen=True, slots=True)
class MailWords:
    """One mail in one language; braces are filled by `studio.mail.message`."""

    subject: str
    before: tuple[str, ...]
    """Above the button."""
    button: str = ""
    after: tuple[str, ...] = ()
    """Below it."""


_IGNORE_KO = "요청하신 적이 없다면 이 메일을 무시하세요. 아무 일도 일어나지 않습니다."
_IGNORE_EN = "If you did not ask for it, ignore this mail: nothing happens."
_ONCE_KO = "이 링크는 {valid} 한 번만 쓸 수 있습니다. 다른 사람에게 전달하지 마세요."
_ONCE_EN = "The link works once, {valid}. Do not pass it on."

WORDS: Mapping[str, Mapping[str, MailWords]] = {
    "ko": {
        "confirm": MailWords(
            "이메일 주소를 확인해 주세요",
            ("가입해 주셔서 감사합니다.", "아래 버튼을 누르면 이메일 주소 확인이 끝납니다."),
            "이메일 주소 확인하기",
            (_ONCE_KO, _IGNORE_KO),
        ),
        "sign-in": MailWords(
            "로그인 링크를 보내 드립니다",
            ("아래 버튼을 누르면 비밀번호 없이 로그인됩니다.",),
            "로그인하기",
            (_ONCE_KO, _IGNORE_KO),
        ),
        "reset": MailWords(
            "비밀번호를 새로 정하세요",
            ("아래 버튼을 누르면 새 비밀번호를 정할 수 있습니다.",),
            "비밀번호 새로 정하기",
            (_ONCE_KO, "요청하신 적이 없다면 이 메일을 무시하세요. 지금 비밀번호가 그대로 쓰입니다."),
        ),
        "have-account": MailWords(
            "이미 가입된 이메일 주소입니다",
            ("이 이메일 주소로 새로 가입하려는 요청이 있었지만, 이미 계정이 있습니다.",),
            "로그인하러 가기",
            (
                "비밀번호를 잊으셨다면 로그인 페이지에서 새로 정할 수 있습니다.",
                "본인이 요청한 것이 아니라면 이 메일을 무시하세요. 계정은 그대로입니다.",
            ),
        ),
        "ready": MailWords(
            "인물사진 {count}장이 완성되었습니다",
            ("기다려 주셔서 감사합니다. 인물사진 {count}장이 완성되었습니다.",),
            "사진 보기",
            (
                "이 링크가 있으면 {valid} 로그인하지 않고도 사진을 볼 수 있습니다. "
                "링크를 아는 사람은 누구나 볼 수 있으니 믿는 사람에게만 전달하세요.",
            ),
        ),
        "failed": MailWords(
            "인물사진을 만들지 못했습니다",
            ("죄송합니다. 요청하신 인물사진을 만들지 못했습니다.", "{message}", "{hint}"),
            "스튜디오 열기",
        ),
        "account-deleted": MailWords(
            "계정이 삭제되었습니다",
            (
                "요청하신 대로 계정과 올리신 사진, 학습된 모델, 만들어진 인물사진을 모두 삭제했습니다.",
                "이 메일을 끝으로 이메일 주소도 보관하지 않습니다.",
            ),
        ),
    },
    "en": {
        "confirm": MailWords(
            "Please confirm your e-mail address",
            ("Thank you for signing up.", "The button below confirms your e-mail address."),
            "Confirm my address",
            (_ONCE_EN, _IGNORE_EN),
        ),
        "sign-in": MailWords(
            "Your link to sign in",
            ("The button below signs you in without a password.",),
            "Sign in",
            (_ONCE_EN, _IGNORE_EN),
        ),
        "reset": MailWords(
            "Set a new password",
            ("The button below lets you set a new password.",),
            "Set a new password",
            (_ONCE_EN, "If you did not ask for it, ignore this mail: your password stays as it is."),
        ),
        "have-account": MailWords(
            "You have an account already",
            ("Somebody asked for a new account with this e-mail address, but there is one already.",),
            "Go to sign in",
            (
                "If you have forgotten the password, you can set a new one from the sign-in page.",
                "If it was not you, ignore this mail: your account stays as it is.",
            ),
        ),
        "ready": MailWords(
            "Your portraits are ready ({count})",
            ("Thank you for waiting. {portraits}",),
            "See the portraits",
            (
                "With this link they can be seen without signing in, {valid}. Whoever knows the link can "
                "see them, so pass it on only to people you trust.",
            ),
        ),
        "failed": MailWords(
            "Your portraits could not be made",
            ("We are sorry: your portraits could not be made.", "{message}", "{hint}"),
            "Open the studio",
        ),
        "account-deleted": MailWords(
            "Your account was deleted",
            (
                "As you asked, your account, your photos, the models trained on them and all portraits were "
                "deleted.",
                "After this mail your e-mail address is not kept either.",
            ),
        ),
    },
}
"""Language -> template -> words."""

MARKS: Mapping[str, Mapping[str, str]] = {
    "ko": {
        "metadata": "이 사진들은 AI로 생성한 것입니다. 모든 파일에 AI 생성물이라는 정보가 들어 있습니다"
        "(IPTC DigitalSourceType: trainedAlgorithmicMedia).",
        "c2pa": "서명된 C2PA 출처 정보도 함께 들어 있습니다.",
        "visible": "눈에 보이는 작은 표시도 사진에 넣습니다(끄도록 선택하신 경우는 제외).",
        "visible-always": "눈에 보이는 작은 표시도 사진에 들어 있습니다.",
        "sandbox": "시험용 서버가 만든 그림이며, 실제 인물사진이 아닙니다.",
    },
    "en": {
        "metadata": "These pictures are generated by AI. Every file says so in its metadata "
        "(IPTC DigitalSourceType: trainedAlgorithmicMedia).",
        "c2pa": "They also carry signed C2PA content credentials.",
        "visible": "A small visible mark is on them too, unless you chose to leave it out.",
        "visible-always": "A small visible mark is on them too.",
        "sandbox": "They come from the test server and are not real portraits.",
    },
}
"""How the pictures are marked as generated."""

FRAME: Mapping[str, Mapping[str, str]] = {
    "ko": {
        "studio": "인물사진 스튜디오",
        "paste": "버튼이 열리지 않으면 이 주소를 복사해 브라우저에 붙여 넣으세요.",
        "footer": "자동으로 보낸 메일이라 답장은 읽지 않습니다.",
        "minutes": "{minutes}분 동안",
        "until": "{date}까지",
    },
    "en": {
        "studio": "Portrait studio",
        "paste": "If the button does not open, copy this address into your browser.",
        "footer": "This mail was sent automatically; replies are not read.",
        "minutes": "for {minutes} minutes",
        "until": "until {date}",
    },
}
"""What all mails share."""
