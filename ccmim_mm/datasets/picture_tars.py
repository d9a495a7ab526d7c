"""A folder of tar shards as a dataset."""

from mmengine.registry import DATASETS

from ..files import printable
from .picture_folder import PictureFolder
from .tars.listing import TarListing


@DATASETS.register_module()
class PictureTars(PictureFolder):
    """Every picture in a folder's tars, read where it lies.

    WebDataset's layout: members ``KEY.jpg`` (or any other picture), with the
    label in ``KEY.cls`` (a number or a name) or in ``KEY.json`` (``label``,
    ``cls`` or ``class``), else in the first folder of the member's name.
    Numbers are named by a ``classes.json`` beside the shards, a list. The
    number of a picture is the rank of its name over all shards, so that a
    folder and its shards train to the same bits.

    Takes the parent's arguments.

    Raises:
        FileNotFoundError: As the parent; or if there are no shards.
        ValueError: As the parent; or if a shard is damaged, two have a
            member of one name, or a label is none.
    """

    listing: TarListing

    def full_init(self) -> None:
        """Index the shards, once."""
        super().full_init()
        if not isinstance(self.listing, TarListing):
            raise FileNotFoundError(
                f'no shards in {printable(self.data_root)}: *.tar is looked '
                'for, beside no pictures and no folders; '
                "type='PictureFolder' reads pictures"
            )
