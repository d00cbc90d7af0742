"""What our own pages say, Korean beside English so that neither is forgotten."""

from __future__ import annotations

from ..refusals import Language

_SAID: dict[str, tuple[str, str]] = {
    "brand": ("인물사진 스튜디오", "Portrait Studio"),
    "language": ("언어", "Language"),
    "korean": ("한국어", "한국어"),
    "english": ("English", "English"),
    "skip": ("본문으로 건너뛰기", "Skip to the content"),
    "home": ("처음으로", "To the start"),
    "open-studio": ("스튜디오 열기", "Open the studio"),
    "account": ("계정", "Account"),
    "sandbox": (
        "연습용 스튜디오입니다. 실제 인물사진 대신 견본 그림이 만들어집니다.",
        "This is a practice studio: it makes stand-ins, not real portraits.",
    ),
    # the first page
    "welcome-title": (
        "나다운 프로필 사진,\n집에서 편안하게",
        "A portrait that is you,\nfrom the photos you have",
    ),
    "welcome-text": (
        "휴대폰에 있는 사진 열 장이면 충분합니다. 보내 두고 창을 닫으셔도 됩니다. "
        "완성되면 메일로 알려 드립니다.",
        "Ten photos from your phone are enough. Send them and close the page: "
        "we write when your portraits are ready.",
    ),
    "step-1": ("사진 보내기", "Send your photos"),
    "step-1-text": (
        "얼굴이 잘 보이는 사진을 골라 올리면 바로 확인해 드립니다.",
        "Each one is looked at at once, and you are told what helps.",
    ),
    "step-2": ("포즈와 분위기 고르기", "Choose pose and mood"),
    "step-2-text": (
        "옷차림과 배경, 색감까지 원하는 대로 고르세요.",
        "Outfit, backdrop and light as you like them.",
    ),
    "step-3": ("메일로 받기", "Get them by mail"),
    "step-3-text": (
        "증명사진 규격으로도 받을 수 있습니다. 사진은 언제든 지울 수 있습니다.",
        "As ID photos too. Everything can be deleted at any time.",
    ),
    # signing in and up
    "sign-in": ("로그인", "Sign in"),
    "sign-up": ("회원가입", "Sign up"),
    "sign-out": ("로그아웃", "Sign out"),
    "email": ("이메일 주소", "E-mail address"),
    "password": ("비밀번호", "Password"),
    "new-password": ("새 비밀번호", "New password"),
    "current-password": ("현재 비밀번호", "Current password"),
    "password-help": ("10자 이상으로 정해 주세요.", "At least 10 characters."),
    "password-optional": (
        "10자 이상으로 정해 주세요. 비워 두면 메일로 받은 링크로만 로그인합니다.",
        "At least 10 characters. Leave it empty to sign in by mailed links only.",
    ),
    "no-account": ("아직 계정이 없으신가요?", "No account yet?"),
    "have-account": ("이미 계정이 있으신가요?", "You have an account?"),
    "forgot": ("비밀번호를 잊으셨나요?", "Forgot your password?"),
    "by-mail": ("메일로 로그인 링크 받기", "Sign in by a mailed link"),
    "by-mail-text": (
        "이메일 주소를 적어 주시면 로그인 링크를 보내 드립니다. 링크는 30분 동안 한 번만 쓸 수 있습니다.",
        "Tell us your address and we mail you a link. It works once, within 30 minutes.",
    ),
    "reset": ("비밀번호 다시 정하기", "Set a new password"),
    "reset-text": (
        "이메일 주소를 적어 주시면 비밀번호를 새로 정하는 링크를 보내 드립니다.",
        "Tell us your address and we mail you a link to set a new password.",
    ),
    "send-link": ("링크 보내기", "Send the link"),
    "or": ("또는", "or"),
    "sent-title": ("메일을 확인해 주세요", "Look into your mail"),
    "sent-text": (
        "입력하신 주소를 쓸 수 있다면 곧 메일이 도착합니다. 보이지 않으면 스팸함도 확인해 주세요.",
        "If the address can be used, a mail arrives in a minute. Look into the spam folder too.",
    ),
    "sent-outbox": (
        "이 스튜디오에는 메일 서버가 없습니다. 메일은 운영자의 outbox 폴더에 파일로 저장됩니다.",
        "This studio has no mail server: the mail was written as a file into the operator's outbox folder.",
    ),
    "sign-up-closed": ("지금은 새로 가입하실 수 없습니다.", "This studio takes no new sign-ups."),
    "link-sign-in-title": ("로그인할까요?", "Sign in now?"),
    "link-confirm-title": ("이메일 주소 확인", "Is this your address?"),
    "link-reset-title": ("비밀번호 다시 정하기", "Set a new password"),
    "link-text": (
        "아래 버튼을 누르면 계속됩니다. 링크는 한 번만 쓸 수 있습니다.",
        "Press the button to go on. The link works once.",
    ),
    "continue": ("계속하기", "Continue"),
    "dead-link-title": ("사용할 수 없는 링크입니다", "This link does not work any more"),
    "dead-link-text": (
        "이미 사용했거나 기한이 지났습니다. 새 링크를 받아 주세요.",
        "It was used already, or it is too old. Ask for a new one.",
    ),
    "new-link": ("새 링크 받기", "Get a new link"),
    # account
    "signed-in-as": ("로그인한 주소", "Signed in as"),
    "unconfirmed": (
        "아직 확인되지 않은 주소입니다. 보내 드린 메일의 링크를 열어 주세요.",
        "This address is not proved yet: open the link in our mail.",
    ),
    "send-again": ("확인 메일 다시 받기", "Send the mail again"),
    "save": ("저장", "Save"),
    "saved": ("저장했습니다.", "Saved."),
    "change-password": ("비밀번호 변경", "Change password"),
    "set-password": ("비밀번호 만들기", "Set a password"),
    "password-note": (
        "바꾸면 다른 기기에서는 로그아웃됩니다.",
        "Other devices are signed out when you change it.",
    ),
    "sign-out-all": ("모든 기기에서 로그아웃", "Sign out everywhere"),
    "tokens": ("API 토큰", "API tokens"),
    "tokens-text": (
        "프로그램에서 스튜디오를 사용할 때 필요합니다. 비밀번호처럼 다뤄 주세요.",
        "For programs that use the studio. Treat them like passwords.",
    ),
    "token-new": ("새 토큰입니다. 지금 한 번만 보여 드립니다.", "Your new token. It is shown only now."),
    "token-name": ("이름", "Name"),
    "token-days": ("유효 기간(일)", "Days it works"),
    "token-days-help": (
        "비워 두면 폐기할 때까지 사용할 수 있습니다.",
        "Leave it empty for a token that works until it is revoked.",
    ),
    "token-make": ("토큰 만들기", "Make a token"),
    "token-none": ("아직 토큰이 없습니다.", "There are none yet."),
    "token-used": ("마지막 사용", "last used"),
    "token-never": ("사용한 적 없음", "never used"),
    "token-until": ("만료", "until"),
    "revoke": ("폐기", "Revoke"),
    "delete-title": ("계정 삭제", "Delete my account"),
    "delete-text": (
        "올린 사진, 학습된 모델, 완성된 사진과 계정 정보가 모두 지워지며 되돌릴 수 없습니다. "
        "진행 중인 작업은 취소됩니다.",
        "Your photos, models, portraits and account are deleted for good. Jobs under way are cancelled.",
    ),
    "delete-go": ("계정 삭제하기…", "Delete my account…"),
    "delete-confirm-password": ("확인을 위해 비밀번호를 입력해 주세요", "Your password, to be sure"),
    "delete-confirm-email": ("확인을 위해 이메일 주소를 입력해 주세요", "Your e-mail address, to be sure"),
    "delete-now": ("영구히 삭제하기", "Delete for good"),
    "cancel": ("취소", "Cancel"),
    "receipts": ("삭제 확인서", "Deletion receipts"),
    "receipt-title": ("삭제 확인서", "Deletion receipt"),
    "receipt-done": ("아래 내용을 모두 삭제했습니다.", "All of this was deleted."),
    "receipt-begun": (
        "삭제를 시작했습니다. 남은 부분은 곧 이어서 지워집니다.",
        "The deletion has begun. What is left of it follows by itself.",
    ),
    "receipt-number": ("확인서 번호", "Receipt"),
    "receipt-at": ("삭제 시각", "Deleted at"),
    "receipt-keep": (
        "필요하면 이 화면을 저장해 두세요.",
        "Keep this page if you need it: it is shown only now.",
    ),
    "what-photos": ("사진", "Photos"),
    "what-model": ("학습된 모델", "Model"),
    "what-portraits": ("완성된 사진", "Portraits"),
    "what-job": ("작업", "Job"),
    "what-album": ("앨범", "Album"),
    "what-account": ("계정", "Account"),
    "bye": ("이용해 주셔서 감사합니다.", "Thank you for having been here."),
    # results
    "results-title": ("사진이 완성되었습니다", "Your portraits are ready"),
    "results-until": ("{date}까지 볼 수 있는 링크입니다.", "This link works until {date}."),
    "results-private": (
        "링크를 아는 사람은 누구나 이 사진을 볼 수 있으니 함부로 전달하지 마세요.",
        "Whoever has the link sees the portraits: mind whom you pass it on to.",
    ),
    "results-none": ("표시할 사진이 없습니다.", "There are no portraits here."),
    "download": ("내려받기", "Download"),
    "download-all": ("모두 내려받기 (zip)", "Download all (zip)"),
    "likeness": ("닮은 정도", "Likeness"),
    "portrait-alt": ("{number}번 사진: {pose}, {tone}", "Portrait {number}: {pose}, {tone}"),
    "results-dead-title": ("더 이상 볼 수 없는 링크입니다", "This link shows nothing any more"),
    "results-dead-text": (
        "기한이 지났거나 사진이 삭제되었습니다. 아직 보관 중이라면 로그인해서 보실 수 있습니다.",
        "It is too old, or its portraits were deleted. What is still kept you see when you sign in.",
    ),
    "problem-title": ("처리하지 못했습니다", "That did not work"),
    "made-by": ("AI로 생성된 이미지입니다.", "These pictures were generated by AI."),
}


def say(language: Language, key: str, **filled: object) -> str:
    """A sentence of the pages.

    Raises:
        KeyError: There is none of this name.
    """
    ko, en = _SAID[key]
    text = ko if language == "ko" else en
    return text.format(**filled) if filled else text


def keys() -> frozenset[str]:
    """All names, for the tests."""
    return frozenset(_SAID)
