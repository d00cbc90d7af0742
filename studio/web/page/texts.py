# ruff: noqa: E501  a Korean letter counts as two columns
"""Everything the page says, Korean and English side by side.

`{name}` is filled in; and escaped. A test compares the names and that nothing is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup

from ...refusals import Language

# fmt: off
TEXTS: dict[str, tuple[str, str]] = {
    # The frame
    "title": ("인물사진 스튜디오", "Portrait Studio"),
    "brand": ("인물사진 스튜디오", "Portrait Studio"),
    "loading": ("불러오고 있습니다", "One moment"),
    "skip": ("본문으로 건너뛰기", "Skip to the content"),
    "menu": ("메뉴", "Menu"),
    "steps": ("단계", "Steps"),
    "step-photos": ("사진", "Photos"),
    "step-wishes": ("스타일", "Style"),
    "step-job": ("진행", "Progress"),
    "step-gallery": ("갤러리", "Gallery"),
    "step-data": ("내 데이터", "My data"),
    "account": ("계정 설정", "Account"),
    "sign-out": ("로그아웃", "Sign out"),
    "other-language": ("English", "한국어"),
    "signed-in-as": ("{email} 님", "{email}"),
    "sandbox": (
        "연습 모드입니다. 실제 모델 대신 견본 서버가 그림을 만들어, 결과가 내 얼굴을 닮지 않습니다.",
        "Practice mode: a stand-in server draws sample pictures, so the results will not look like you."),
    "must-confirm": (
        "이메일 주소를 아직 확인하지 않았습니다. 받은 메일의 링크를 열어야 촬영을 시작할 수 있습니다.",
        "Your e-mail address is not confirmed yet. Open the link in the mail we sent; portraits can be ordered then."),
    "trouble": ("문제가 생겨 처리하지 못했습니다. 잠시 뒤 다시 시도해 주세요.",
                "Something went wrong and nothing was changed. Please try again in a moment."),
    "offline": ("연결이 끊겼습니다. 연결되면 이어서 보여 드립니다.",
                "The connection is lost. The page goes on when it is back."),
    "close": ("닫기", "Close"),
    "not-now": ("그만두기", "Not now"),
    "saved": ("저장했습니다.", "Saved."),

    # Whose photos
    "albums": ("누구의 사진인가요?", "Whose photos?"),
    "album-number": ("앨범 {number}", "Album {number}"),
    "album-new": ("새 앨범", "New album"),
    "album-name": ("앨범 이름", "Name of the album"),
    "album-name-hint": ("예: 나, 지민", "For example: me, Jimin"),
    "subject": ("사진 속 인물", "The person in the photos"),
    "subject-person": ("정하지 않음", "Just a person"),
    "subject-woman": ("여성", "A woman"),
    "subject-man": ("남성", "A man"),
    "album-create": ("앨범 만들기", "Make the album"),

    # Photos
    "photos-title": ("사진을 올려 주세요", "Add your photos"),
    "photos-lead": (
        "한 사람의 얼굴이 잘 보이는 사진 10~20장이면 가장 좋습니다. 올리는 즉시 쓸 수 있는지 알려 드립니다.",
        "Ten to twenty photos that show one person's face work best. Each is checked as soon as it arrives."),
    "drop": ("사진을 여기에 끌어다 놓거나 눌러서 고르세요", "Drop photos here, or press to choose"),
    "drop-phone": ("사진 고르기", "Choose photos"),
    "drop-small": ("JPG · PNG · WebP · HEIC, 한 장에 {mb} MB까지, 최대 {most}장",
                   "JPG · PNG · WebP · HEIC, up to {mb} MB each, {most} photos at most"),
    "tips": ("어떤 사진이 좋은가요?", "Which photos are good?"),
    "tip-1": ("혼자 나온 사진, 얼굴이 가려지지 않은 사진", "You alone, nothing in front of the face"),
    "tip-2": ("정면과 좌우, 여러 표정과 여러 날의 사진", "Front and both sides, different moods and days"),
    "tip-3": ("고르게 밝은 빛, 흔들리지 않은 사진", "Even light, not blurred"),
    "tip-4": ("선글라스, 마스크, 강한 필터와 보정은 피해 주세요", "No sunglasses, masks or strong filters"),
    "upload-waiting": ("대기 중", "Waiting"),
    "upload-checking": ("확인하고 있습니다", "Checking"),
    "upload-failed": ("올리지 못했습니다. 연결을 확인하고 다시 시도해 주세요.",
                      "It could not be sent. Check the connection and try again."),
    "upload-too-large": ("파일이 {mb} MB보다 큽니다.", "The file is larger than {mb} MB."),
    "upload-again": ("다시 시도", "Try again"),
    "tally": ("{count}장 가운데 {good}장을 쓸 수 있습니다", "{good} of {count} can be used"),
    "tally-none": ("아직 올린 사진이 없습니다", "No photos yet"),
    "photo-good": ("좋습니다", "Good"),
    "photo-bad": ("쓸 수 없음", "Not usable"),
    "photo-checking": ("확인 중", "Checking"),
    "photo-remove": ("{name} 빼기", "Remove {name}"),
    "photo-alt": ("올린 사진 {name}", "Your photo {name}"),
    "photos-deleted": ("이 앨범의 사진은 {date}에 삭제되었습니다.", "The photos of this album were deleted on {date}."),
    "consent-title": ("사용 동의", "Consent"),
    "consent-check": ("위 내용을 읽었고 동의합니다", "I have read this and agree"),
    "consent-given": ("{time}에 동의했습니다 (문서 {version})", "Agreed on {time} (text {version})"),
    "to-wishes": ("스타일 고르기", "Choose the style"),

    # Wishes
    "wishes-title": ("어떤 사진을 원하세요?", "What would you like?"),
    "wishes-lead": ("고르지 않은 것은 사진관의 기본값으로 촬영합니다.", "What you leave open is done the studio's way."),
    "poses": ("포즈", "Poses"),
    "poses-hint": ("여러 개를 고를 수 있습니다", "Choose one or more"),
    "tone": ("톤", "Tone"),
    "tone-auto": ("자동 추천", "Suggest for me"),
    "tone-auto-hint": ("피부의 언더톤에 맞춰 고릅니다", "Chosen to suit your skin's undertone"),
    "tone-both": ("둘 다", "Both"),
    "tone-both-hint": ("쿨톤과 웜톤으로 한 장씩", "Each picture cool and warm"),
    "outfit": ("의상", "Outfit"),
    "backdrop": ("배경", "Backdrop"),
    "studio-choice": ("사진관 추천", "Studio's choice"),
    "count": ("사진 수", "Number of portraits"),
    "fewer": ("한 장 적게", "One fewer"),
    "more": ("한 장 더", "One more"),
    "mark": ("작은 AI 생성 표시를 사진에 넣기", "A small “AI generated” mark on the pictures"),
    "mark-required": ("모든 사진에 작은 AI 생성 표시가 들어갑니다.",
                      "Every picture carries a small “AI generated” mark."),
    "mark-hint": ("표시를 빼도 파일 정보에는 AI로 만든 사진임이 기록됩니다.",
                  "Without it, the file itself still says that the picture was generated."),
    "price": ("예상 시간", "Time it takes"),
    "price-range": ("약 {low}~{high}분", "about {low}–{high} min"),
    "price-one": ("약 {low}분", "about {low} min"),
    "price-under": ("1분 이내", "under a minute"),
    "price-waits": ("대기 약 {minutes}분 별도", "queue: about {minutes} min more"),
    "price-trains": ("첫 얼굴 학습 포함", "with learning the face"),
    "start": ("촬영 시작하기", "Make my portraits"),
    "not-ready": ("아직 시작할 수 없습니다", "Not ready yet"),
    "to-photos": ("사진으로 가기", "Go to the photos"),

    # Waiting
    "job-title": ("촬영 진행", "Your portraits"),
    "job-none": ("진행 중인 촬영이 없습니다", "Nothing is being made now"),
    "job-none-hint": ("스타일을 고르고 촬영을 시작해 보세요.", "Choose a style to begin."),
    "job-next": ("곧 시작합니다", "You are next"),
    "job-position": ("앞에 {ahead}명이 기다리고 있습니다", "{ahead} ahead of you"),
    "job-starting": ("준비하고 있습니다", "Getting ready"),
    "job-running": ("만들고 있습니다", "In the making"),
    "job-done": ("사진이 준비되었습니다", "Your portraits are ready"),
    "job-done-count": ("완성 사진 {count}장", "Portraits: {count}"),
    "job-failed": ("촬영을 마치지 못했습니다", "It could not be finished"),
    "job-cancelled": ("촬영을 취소했습니다", "Cancelled"),
    "job-cancelling": ("취소하고 있습니다", "Cancelling"),
    "job-left": ("약 {minutes}분 남음", "about {minutes} min left"),
    "job-left-short": ("1분 이내", "less than a minute left"),
    "job-pictures": ("작업 {total}개 중 {done}개", "step {done} of {total}"),
    "job-close": ("이 창을 닫아도 됩니다. 완성되면 메일로 알려 드립니다.",
                  "You can close this page. A mail comes when they are ready."),
    "job-close-no-mail": ("이 창을 닫아도 계속 만들어집니다. 언제든 다시 열어 확인하세요.",
                          "You can close this page. The work goes on; come back any time."),
    "job-preview": ("만들어지고 있는 사진의 미리 보기", "Preview of the picture in the making"),
    "job-preview-soon": ("곧 미리 보기가 나타납니다", "A preview appears soon"),
    "job-percent": ("{percent}%", "{percent}%"),
    "cancel": ("촬영 취소", "Cancel"),
    "cancel-sure": ("촬영을 취소할까요? 지금까지 학습한 것은 남아 있어, 다시 시작하면 이어서 합니다.",
                    "Cancel this? What was learned so far is kept, and a new start goes on from there."),
    "again": ("다시 시작하기", "Start again"),
    "see-gallery": ("갤러리 보기", "See the gallery"),
    "ordered": ("{time} 신청", "Ordered {time}"),
    "earlier": ("지난 촬영", "Earlier"),
    "state-queued": ("대기 중", "Waiting"),
    "state-running": ("진행 중", "In the making"),
    "state-done": ("완료", "Ready"),
    "state-failed": ("실패", "Failed"),
    "state-cancelled": ("취소됨", "Cancelled"),

    # Gallery
    "gallery-title": ("갤러리", "Gallery"),
    "gallery-none": ("아직 완성된 사진이 없습니다", "No portraits yet"),
    "gallery-none-hint": ("촬영이 끝나면 여기에 모입니다.", "They appear here when they are ready."),
    "gallery-set": ("{time} · {count}장", "{time} · portraits: {count}"),
    "gallery-retouch": ("다시 보정", "Retouched"),
    "keep-until": ("{date}까지 보관", "Kept until {date}"),
    "download-all": ("모두 받기 (ZIP)", "Download all (ZIP)"),
    "report": ("촬영 기록", "Report"),
    "likeness": ("닮은 정도 {percent}%", "Likeness {percent}%"),
    "favourite-add": ("즐겨찾기에 넣기", "Add to favourites"),
    "favourite-remove": ("즐겨찾기에서 빼기", "Remove from favourites"),
    "portrait-alt": ("{pose}, {tone} 사진 {number}", "Portrait {number}: {pose}, {tone}"),
    "portrait-open": ("{number}번 사진 자세히 보기", "Look closer at portrait {number}"),

    # One portrait
    "to-gallery": ("갤러리로", "Back to the gallery"),
    "compare-slide": ("경계를 움직여 비교하기", "Slide to compare"),
    "compare-with": ("비교할 단계", "Compare with"),
    "size": ("{width} × {height} 픽셀", "{width} × {height} pixels"),
    "download": ("이 사진 받기", "Download this picture"),
    "id-title": ("증명사진으로 받기", "As an ID photo"),
    "id-lead": ("규격에 맞춰 머리 크기와 눈높이를 재어 자릅니다. 300 dpi입니다.",
                "Head size and eye line are measured and placed to the format, at 300 dpi."),
    "id-format": ("규격", "Format"),
    "id-one": ("한 장 받기", "Download one"),
    "id-sheet": ("4×6 인치 인화용 받기", "4×6 in print sheet"),
    "id-show": ("미리 보기", "Preview"),
    "id-alt": ("증명사진 미리 보기", "Preview of the ID photo"),
    "retouch-title": ("다르게 다시 만들기", "Make it again, differently"),
    "retouch-lead": ("바뀐 부분만 새로 만들어 처음보다 빠릅니다.", "Only what changes is made again, so it is quicker."),
    "retouch-start": ("다시 만들기", "Make it again"),
    "retouch-gone": ("사진과 모델이 삭제되어 이 앨범으로는 더 만들 수 없습니다.",
                     "Photos and model of this album were deleted, so nothing more can be made of it."),

    # My data
    "data-title": ("내 데이터", "My data"),
    "data-lead": ("무엇이 얼마나 보관되어 있는지 보고, 언제든 지울 수 있습니다. 지우면 디스크, 데이터베이스, 모델 폴더, "
                  "대기열과 캐시에서 모두 사라지고 영수증이 남습니다.",
                  "See what is kept, and delete it whenever you like. It goes from disk, database, models folder, queue "
                  "and caches, and you get a receipt."),
    "data-none": ("보관 중인 앨범이 없습니다.", "No albums are kept."),
    "data-photos": ("사진", "Photos"),
    "data-photos-count": ("{count}장", "{count}"),
    "data-photos-until": ("{date}에 저절로 삭제됩니다", "deleted automatically on {date}"),
    "data-model": ("학습한 얼굴 모델", "Trained face model"),
    "data-model-kept": ("보관 중", "kept"),
    "data-model-none": ("없음", "none"),
    "data-portraits": ("완성 사진", "Portraits"),
    "data-portraits-set": ("{time} · {count}장", "{time} · {count}"),
    "delete": ("삭제", "Delete"),
    "delete-album": ("앨범 전체 삭제", "Delete the whole album"),
    "sure-photos": ("이 앨범의 사진을 모두 삭제할까요? 되돌릴 수 없습니다.",
                    "Delete all photos of this album? This cannot be undone."),
    "sure-model": ("학습한 얼굴 모델을 삭제할까요? 다시 만들려면 새로 학습해야 합니다.",
                   "Delete the trained model? More portraits need a new training then."),
    "sure-portraits": ("이 촬영의 완성 사진을 모두 삭제할까요? 되돌릴 수 없습니다.",
                       "Delete all portraits of this set? This cannot be undone."),
    "sure-album": ("앨범의 사진, 모델, 완성 사진을 모두 삭제할까요? 진행 중인 촬영은 취소됩니다. 되돌릴 수 없습니다.",
                   "Delete the album with photos, model and portraits? Work under way is cancelled. "
                   "This cannot be undone."),
    "deleted": ("삭제했습니다", "Deleted"),
    "receipts": ("삭제 영수증", "Receipts"),
    "receipt-photos": ("사진", "Photos"),
    "receipt-model": ("얼굴 모델", "Face model"),
    "receipt-portraits": ("완성 사진", "Portraits"),
    "receipt-job": ("촬영", "Set of portraits"),
    "receipt-album": ("앨범", "Album"),
    "receipt-account": ("계정", "Account"),
    "receipt-begun": ("삭제 진행 중", "being deleted"),
    "receipt-number": ("번호 {id}", "No. {id}"),
    "account-title": ("계정", "Account"),
    "account-lead": ("비밀번호, API 토큰, 계정 삭제는 계정 설정에 있습니다.",
                     "Password, API tokens and deleting the account are in the account settings."),
}
# fmt: on

Say = Callable[..., Markup]


def words(language: Language) -> Say:
    """`say("key", name=value)` in one language, as HTML: values are escaped; an unknown key is a KeyError."""
    which = 0 if language == "ko" else 1

    def say(key: str, **values: object) -> Markup:
        return Markup(TEXTS[key][which]).format(**values)

    return say
