"""Pictures attached to Cases: what lies hidden in their files is gone, and who may not see the Case does not see them."""

import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from little_city import Browser, LittleCity, open_case, open_little_city, visiting
from PIL import Image, PngImagePlugin

from dongne.model.errors import BadInput, NotFound, TooLarge
from dongne.stores.attachments import AttachmentFolder
from dongne.stores.embedded.backup import write_backup
from dongne.web.control_room.pictures import LONGEST_SIDE_PX, clean_picture

ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825
SECRETS = (
    b"Pentax of a spy",
    b"60.17",
    b"Exif",
    b"photoshop",
    b"http://ns.adobe",
    b"secret remark",
    b"ICC_PROFILE",
    b"GPS",
)


def photo(kind: str = "JPEG", size: tuple[int, int] = (40, 20), orientation: int = 6) -> bytes:
    """Red on the left, blue on the right, with all that a telephone writes into it."""
    picture = Image.new("RGB", size, (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, size[0] // 2, size[1]))
    exif = Image.Exif()
    exif[MAKE], exif[ORIENTATION] = "Pentax of a spy", orientation
    exif.get_ifd(GPS).update({1: "N", 2: (60.0, 10.0, 15.0), 3: "E", 4: (24.0, 56.0, 30.0)})
    more: dict[str, Any] = {"exif": exif, "xmp": b"<x:xmpmeta xmlns='http://ns.adobe.com/xap/1.0/'>60.17</x:xmpmeta>"}
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", "secret remark")
        more = {"exif": exif, "pnginfo": info}
    if kind == "JPEG":
        more |= {"comment": b"secret remark", "icc_profile": b"ICC_PROFILE of a screen"}
    out = io.BytesIO()
    picture.save(out, kind, **more)
    return out.getvalue()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LittleCity]:
    folder = tmp_path_factory.mktemp("city")
    with open_little_city(
        folder / "store", guarded_at="0.0.0.0", attachments=AttachmentFolder(folder / "store")
    ) as made:
        yield made


def send(browser: Browser, case: int, body: bytes, **fields: str) -> Any:
    data = {"form": browser.find_mark(), "about": "the lid is broken", **fields}
    return browser.post(f"/cases/{case}/attach", data=data, files={"file": ("C:\\me\\IMG_1.jpg", body, "image/jpeg")})


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_is_left_of_place_time_and_camera_and_the_picture_is_upright(kind: str) -> None:
    given = photo(kind)
    with Image.open(io.BytesIO(given)) as before:
        assert before.getexif().get_ifd(GPS) and before.getexif()[ORIENTATION] == 6, "it was in there"
    found = clean_picture(given)
    assert [secret for secret in SECRETS if secret in found.body] == []
    with Image.open(io.BytesIO(found.body)) as after:
        assert (after.format, after.size) == (kind, (20, 40)) == (kind, (found.width_px, found.height_px))
        assert not after.getexif() and set(after.info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "loop",
            "background",
            "timestamp",
            "duration",
        }
        top, bottom = (after.convert("RGB").getpixel((10, y)) for y in (5, 35))
        assert top[0] - top[2] > 150 and bottom[2] - bottom[0] > 150, "turned as the camera said"  # type: ignore[index]


def test_what_is_cleaned_twice_stays_as_clean_and_a_hole_stays_a_hole() -> None:
    holes = io.BytesIO()
    Image.new("RGBA", (8, 8), (10, 20, 30, 0)).save(holes, "PNG")
    found = clean_picture(holes.getvalue())
    with Image.open(io.BytesIO(found.body)) as after:
        assert after.mode == "RGBA" and after.getpixel((1, 1))[3] == 0  # type: ignore[index]
    assert clean_picture(found.body).body == found.body


def test_a_large_picture_becomes_as_large_as_a_screen_needs() -> None:
    found = clean_picture(photo(size=(4000, 1000), orientation=1))
    assert (found.width_px, found.height_px) == (LONGEST_SIDE_PX, LONGEST_SIDE_PX // 4)


def bomb() -> bytes:
    """60,000 x 60,000 points that are all the same: 3.6 thousand million points in a few bytes."""
    picture = io.BytesIO()
    Image.new("1", (8, 8)).save(picture, "PNG")
    body = bytearray(picture.getvalue())
    body[16:24] = (60_000).to_bytes(4, "big") * 2

    body[29:33] = zlib.crc32(bytes(body[12:29])).to_bytes(4, "big")
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        (b"", BadInput, "no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", BadInput, "no picture"),
        (b"%PDF-1.7\n", BadInput, "no picture"),
        (photo()[:200], BadInput, "no picture"),
        (b"GIF89a\x01\x00\x01\x00\x80\x00\x00" + bytes(20), BadInput, "no picture"),
        (bomb(), TooLarge, "unpacks to more|points"),
        (bytes(13 << 20), TooLarge, "at most 12"),
    ],
)  # fmt: skip
def test_what_is_no_picture_or_too_much_of_one_is_refused(body: bytes, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        clean_picture(body)


def test_a_picture_joins_the_history_and_is_shown_with_words_for_who_can_not_see_it(city: LittleCity) -> None:
    case = open_case(city, "picture")
    with visiting(city, "operator") as operator:
        form = operator.get(f"/cases/{case}").text
        assert f'action="/cases/{case}/attach" enctype="multipart/form-data"' in form
        assert send(operator, case, photo()).headers["location"] == f"/cases/{case}?saved=attach"
        (found,) = city.store.get_case(case).attachments
        assert (found.name, found.about, found.media_type) == ("IMG_1.jpg", "the lid is broken", "image/jpeg")
        page = operator.get(f"/cases/{case}").text
        assert 'alt="the lid is broken"' in page and "Picture attached" in page and "unbroken" in page
        shown = operator.get(f"/cases/{case}/attachments/{found.sha256}")
        assert hashlib.sha256(shown.content).hexdigest() == found.sha256 and len(shown.content) == found.size_bytes
        assert shown.headers["content-type"] == "image/jpeg"
        assert shown.headers["x-content-type-options"] == "nosniff"
        assert shown.headers["content-security-policy"].startswith("default-src 'none'; sandbox")
        assert shown.headers["content-disposition"].startswith(f'inline; filename="case-{case}.jpg"')
        saved = operator.get(f"/cases/{case}/attachments/{found.sha256}?download").headers["content-disposition"]
        assert saved == f"attachment; filename=\"case-{case}.jpg\"; filename*=UTF-8''IMG_1.jpg"


def test_who_may_not_see_or_move_the_case_has_no_picture_of_it(city: LittleCity) -> None:
    secret, seen = open_case(city, "zzsecret", access="personal"), open_case(city, "seen")
    with visiting(city, "carer") as carer, visiting(city, "operator", "lee") as operator, visiting(city) as nobody:
        assert send(carer, secret, photo("PNG")).status_code == 303
        (found,) = city.store.get_case(secret).attachments
        assert carer.get(f"/cases/{secret}/attachments/{found.sha256}").status_code == 200
        for who in (operator, nobody):
            assert who.get(f"/cases/{secret}/attachments/{found.sha256}").status_code == 404
            assert who.get(f"/cases/{seen}/attachments/{found.sha256}").status_code == 404, "not by another case either"
        assert send(nobody, seen, photo()).status_code == 401
        assert send(operator, secret, photo()).status_code == 404
        assert city.store.get_case(seen).attachments == ()


def test_a_form_that_is_not_ours_is_old_or_without_a_picture_attaches_nothing(city: LittleCity) -> None:
    case = open_case(city, "refused")
    with visiting(city, "operator", "park") as operator:
        mark = operator.find_mark()
        for files in ({"file": ("x.jpg", b"", "image/jpeg")}, {"other": ("x.jpg", photo(), "image/jpeg")}):
            assert operator.post(f"/cases/{case}/attach", data={"form": mark}, files=files).status_code == 400
        assert send(operator, case, b"no picture").status_code == 400
        assert send(operator, case, bytes(14 << 20)).status_code == 413
        assert operator.post(f"/cases/{case}/attach", data={"about": "x"}).status_code == 400
        assert operator.post(f"/cases/{case}/step", data={"action": "attach"}).status_code == 409
        operator.post(f"/cases/{case}/step", data={"action": "note", "note": "somebody was quicker"})
        late = send(operator, case, photo(), events="1")
        assert late.status_code == 409 and "somebody was quicker" in late.text
        evil = operator.post(
            f"/cases/{case}/attach", data={"form": mark}, files={"file": ("x.jpg", photo(), "image/jpeg")},
            headers={"sec-fetch-site": "cross-site"},
        )  # fmt: skip
        assert evil.status_code == 403
    assert city.store.get_case(case).attachments == ()


def test_a_file_is_kept_once_and_one_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    folder = AttachmentFolder(tmp_path)
    digest = folder.keep(b"a picture")
    assert folder.keep(b"a picture") == digest and folder.read(digest) == b"a picture"
    (file,) = [file for file in (tmp_path / "attachments").rglob("*") if file.is_file()]
    file.write_bytes(b"another one")
    for asked in (digest, "0" * 64, "../../truth.db", digest.upper()):
        with pytest.raises(NotFound, match="is not here, or was changed"):
            folder.read(asked)


def test_a_backup_has_the_pictures(city: LittleCity, tmp_path: Path) -> None:
    case = open_case(city, "backup")
    with visiting(city, "operator", "moon") as operator:
        send(operator, case, photo("WEBP"))
    (found,) = city.store.get_case(case).attachments
    write_backup(city.store.folder, tmp_path / "kept", "little")
    assert AttachmentFolder(tmp_path / "kept").read(found.sha256)
    assert re.search(found.sha256, (tmp_path / "kept" / "backup.json").read_text())


def test_where_nothing_is_kept_no_form_offers_it(tmp_path: Path) -> None:
    with open_little_city(tmp_path / "store", guarded_at="0.0.0.0") as alone, visiting(alone, "operator") as operator:
        case = open_case(alone, "none")
        assert "multipart/form-data" not in operator.get(f"/cases/{case}").text
        assert send(operator, case, photo()).status_code == 404
