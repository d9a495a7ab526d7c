"""One HTML file that shows what encoders have learned."""

from .page import write_page
from .pictures import Shown, choose
from .view import view_of

__all__ = ['Shown', 'choose', 'view_of', 'write_page']
