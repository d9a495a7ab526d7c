"""MimCo: masked image modelling with a contrastive teacher."""

from mmpretrain.registry import MODELS

from .base import Curve
from .teacher_method import TeacherMethod


@MODELS.register_module()
class MimCo(TeacherMethod):
    """Masked patches and pictures, found among a teacher's features.

    After "MimCo: Masked Image Modeling Pre-training with Contrastive Teacher"
    (ACM MM 2022). Published, as far as it can be read: a first stage of
    contrastive pre-training (MoCo v3 on ViT-S), and a second in which a
    student reconstructs that model's features of what is masked, by two
    losses, of patches and of pictures, both contrastive. No code of it
    exists. **Everything else is chosen here**: with s the student's tokens of
    the masked picture, CLS first, t the frozen teacher's of the whole one,
    h_p, h_i linear maps, all vectors on the unit sphere,

        patch:  -log exp(h_p(s_i) t_i / T) / sum_j exp(h_p(s_i) t_j / T),
                i masked, j all patches of the same picture;
        image:  -log exp(h_i(s_0) t_0 / T') / sum_k exp(h_i(s_0) t_0^k / T'),
                k the pictures of all processes,

    each times twice its temperature. The step is the parent's, both terms
    are :class:`MimCoHead`'s. Takes the parent's arguments.
    """

    spread_value, accuracy_value = 'image_std', 'image_acc'
    curves = (
        Curve('contrast', 'nats', ('patch_ce', 'image_ce')),
        Curve(
            'what is found',
            'share',
            ('patch_acc', 'patch_acc_other', 'image_acc'),
        ),
        Curve('patches of one picture', 'cosine', ('key_cos',)),
    )

    def check_batch(self, batch_size: int) -> None:
        """Refuse a batch without another picture."""
        self.head.check_batch(batch_size)
