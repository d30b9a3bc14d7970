"""What the clock, and whoever queues mail, wakes."""

from celery import shared_task

from apps.core.actors import Actor
from apps.mail import services


@shared_task(name="mail.send_due")
def send_due() -> int:
    """Send the mail that is due; returns how many left."""
    return services.send_due(actor=Actor.system("mail"))


@shared_task(name="mail.forget_old")
def forget_old() -> int:
    """Delete mail that ended long ago; returns how many it were."""
    return services.forget_old_mail(actor=Actor.system("retention"))
