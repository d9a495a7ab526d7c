"""Pairs of pictures, for methods that mix them."""

from typing import Any

import numpy as np
from mmengine.logging import print_log
from mmengine.registry import DATASETS

from ..files import printable
from .picture_folder import PictureFolder
from .problems import refuse
from .seeded import attach
from .transforms import UnreadablePictureError

#: Partners that are tried, if those before cannot be read.
_TRIES = 8


@DATASETS.register_module()
class PicturePairs(PictureFolder):
    """Every picture of a folder, each with another one.

    Within :class:`Seeded` the partner is, as crops and noise are, a function
    of (seed, epoch, index): it is drawn behind the picture's own pipeline,
    which so makes of it what it makes of it without a partner. A sample has
    both pictures as its ``inputs``, a list of two, and all else, the mask's
    noise too, from the first. One partner that cannot be read is replaced by
    the next drawn and reported as :class:`Seeded` does. Chosen here: the
    i-MAE release lacks its own.

    Args:
        same_class_prob: Draw the partner with this probability in [0, 1]
            from the pictures of the same class, and else from those of
            another; the first folder level is the class. None draws from
            all others and needs no labels.
        options: Of the parent.

    Raises:
        FileNotFoundError: As the parent.
        ValueError: As the parent; or if the probability is none, pictures
            lie in no class folder where one is given, or there is a single
            picture, of all or of a class that is drawn from, or a single
            class.
    """

    def __init__(
        self, same_class_prob: float | None = None, **options: Any
    ) -> None:
        if same_class_prob is not None and not 0 <= same_class_prob <= 1:
            raise ValueError(
                f'same_class_prob={same_class_prob} of the training data: '
                'set it to a probability in [0, 1], or to None for pairs '
                'without labels'
            )
        self.same_class_prob = same_class_prob
        # Each picture's class; pictures by class; where in it each begins.
        self._classes: np.ndarray
        self._by_class: np.ndarray
        self._begins: np.ndarray
        super().__init__(**options)

    def full_init(self) -> None:
        """List the folder, and sort it by class, once."""
        if self._fully_initialized:
            return
        super().full_init()
        if len(self) < 2:
            raise ValueError(
                f'{printable(self.data_root)} has a single picture, and pairs '
                'need two: add pictures'
            )
        if self.same_class_prob is not None:
            self._sort(self.same_class_prob)

    def _sort(self, same_class_prob: float) -> None:
        """Sort the pictures by class.

        Raises:
            ValueError: If there are none, or there is none to draw.
        """
        where = f'same_class_prob={same_class_prob}'
        try:
            names, labels = self.listing.classes(self.data_root)
        except ValueError as error:
            raise ValueError(f'{where}: {error}; or set it to None') from None
        self._classes = labels if self.order is None else labels[self.order]
        counts = np.bincount(self._classes, minlength=len(names))
        problems = []
        if (counts > 0).sum() == 1:
            problems = ['there is a single class']
        elif same_class_prob > 0:
            problems = [
                f'class {printable(name)} has a single picture'
                for name, count in zip(names, counts, strict=True)
                if count == 1
            ]
        refuse(where, problems, 'add pictures, or set it to None')
        self._by_class = np.argsort(self._classes, kind='stable')
        self._begins = np.concatenate([[0], counts.cumsum()])
        note = f'labels choose the pairs, {same_class_prob:.0%} of one class'
        self._metainfo['notes'] = [note]
        print_log(note, 'current')

    def prepare_data(self, idx: int) -> Any:
        """One packed pair.

        Raises:
            UnreadablePictureError: If the picture cannot be read, or none
                of its partners.
        """
        sample = super().prepare_data(idx)
        unreadable: list[str] = []
        for _ in range(_TRIES):
            try:
                partner = super().prepare_data(self._draw(idx))
            except UnreadablePictureError as error:
                unreadable.append(str(error))
                continue
            sample['inputs'] = [sample['inputs'], partner['inputs']]
            if unreadable:
                attach(sample, unreadable)
            return sample
        raise UnreadablePictureError(
            self.get_data_info(idx)['img_path'],
            f'none of {_TRIES} partners could be read, first {unreadable[0]}',
        )

    def _draw(self, idx: int) -> int:
        """Another picture, from numpy's generator."""
        if self.same_class_prob is None:
            drawn = np.random.randint(len(self) - 1)
            return int(drawn + (drawn >= idx))
        begin, end = self._begins[self._classes[idx] :][:2]
        if np.random.random() < self.same_class_prob:
            own = begin + np.searchsorted(self._by_class[begin:end], idx)
            place = np.random.randint(begin, end - 1)
            place += place >= own
        else:
            place = np.random.randint(len(self) - (end - begin))
            place += (end - begin) * (place >= begin)
        return int(self._by_class[place])
