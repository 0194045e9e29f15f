"""Augmentation: what moves goes where it should, the rest stays, and the seed decides."""

import pytest
import torch
from torch import Tensor

from bnnedge.errors import ConfigError
from bnnedge.training.augment import Augmentation, Draw
from bnnedge.training.config import AugmentConfig


def _images(count: int = 5, shape: tuple[int, ...] = (2, 6, 9)) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (count, *shape), generator=generator, dtype=torch.uint8)


def test_shift_moves_every_image_by_its_own_vector() -> None:
    images = _images()
    augmentation = Augmentation(AugmentConfig(shift=2), (2, 6, 9))
    corner = torch.tensor([[2, 0, 4, 2, 3], [2, 2, 2, 4, 0]])  # 2 is "stays"
    moved = augmentation.apply(images, Draw({"shift": corner}))
    for image, result, dy, dx in zip(images, moved, *(corner - 2).tolist(), strict=True):
        for y in range(6):
            for x in range(9):
                inside = 0 <= y + dy < 6 and 0 <= x + dx < 9
                wanted = image[:, y + dy, x + dx] if inside else torch.zeros(2, dtype=torch.uint8)
                assert torch.equal(result[:, y, x], wanted)


def test_shift_uses_all_positions_and_none_more() -> None:
    torch.manual_seed(0)
    draw = Augmentation(AugmentConfig(shift=2), (6, 9)).draw(400)
    assert sorted(set(draw.numbers["shift"].flatten().tolist())) == [0, 1, 2, 3, 4]


def test_flip_mirrors_about_half() -> None:
    torch.manual_seed(0)
    images = _images(200, (4, 5))
    flipped = _augment(AugmentConfig(flip=True), images)
    mirrored = (flipped == images.flip(-1)).flatten(1).all(1)
    unchanged = (flipped == images).flatten(1).all(1)
    assert (mirrored ^ unchanged).all() and 70 < int(mirrored.sum()) < 130


def test_erase_clears_a_square_that_may_reach_over_the_edge() -> None:
    images = _images(3)
    augmentation = Augmentation(AugmentConfig(erase=3), (2, 6, 9))
    draw = Draw({"erase": torch.tensor([[2, 0, 5], [4, 0, 8]])})
    wanted = images.clone()
    wanted[0, :, 1:4, 3:6] = 0
    wanted[1, :, :2, :2] = 0
    wanted[2, :, 4:, 7:] = 0
    assert torch.equal(augmentation.apply(images, draw), wanted)


def test_quarter_turns_are_exact_on_squares() -> None:
    images = _images(1, (7, 7))
    augmentation = Augmentation(AugmentConfig(rotate=90), (7, 7))
    turned = augmentation.apply(
        images, Draw({"turn": torch.tensor([torch.pi / 2]), "size": torch.ones(1)})
    )
    assert torch.equal(turned, images.rot90(1, (1, 2)))


def test_growing_pulls_the_centre_apart_and_keeps_oblong_images_in_shape() -> None:
    images = torch.zeros(1, 1, 9, 21, dtype=torch.uint8)
    images[0, 0, 4, 8] = images[0, 0, 2, 10] = 200  # two pixels left of and above the centre
    augmentation = Augmentation(AugmentConfig(scale=0.5), (1, 9, 21))
    draw = Draw({"turn": torch.zeros(1), "size": torch.tensor([1.5])})
    grown = augmentation.apply(images, draw)
    assert grown[0, 0, 4, 7] == 200 and grown[0, 0, 1, 10] == 200
    turned = augmentation.apply(
        images, Draw({"turn": torch.tensor([torch.pi / 2]), "size": torch.ones(1)})
    )
    assert turned[0, 0, 6, 10] == 200 and turned[0, 0, 4, 8] == 200 and turned.count_nonzero() == 2


def test_a_share_of_the_draw_gives_that_share_of_the_batch() -> None:
    images = _images(8)
    everything = AugmentConfig(shift=2, flip=True, rotate=20, scale=0.2, erase=3)
    augmentation = Augmentation(everything, (2, 6, 9))
    torch.manual_seed(0)
    whole = augmentation.apply(images, draw := augmentation.draw(8))
    share = slice(2, 5)
    assert torch.equal(augmentation.apply(images[share], draw.take(share)), whole[share])
    torch.manual_seed(0)
    assert torch.equal(_augment(everything, images), whole)
    torch.manual_seed(1)
    assert not torch.equal(_augment(everything, images), whole)


def _augment(config: AugmentConfig, images: Tensor) -> Tensor:
    augmentation = Augmentation(config, tuple(images.shape[1:]))
    result = augmentation.apply(images, augmentation.draw(len(images)))
    assert result.shape == images.shape and result.dtype == images.dtype
    return result


def test_inputs_that_are_no_images_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"wants images .* got inputs \(64,\) — remove"):
        Augmentation(AugmentConfig(flip=True), (64,))
    with pytest.raises(ConfigError, match="below the image's 6 pixels, got 6 and 0"):
        Augmentation(AugmentConfig(shift=6), (6, 9))
    assert not Augmentation(AugmentConfig(), (64,)).is_active
