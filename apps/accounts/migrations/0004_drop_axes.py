from django.db import migrations


class Migration(migrations.Migration):
    """Drop the tables of a library that counted failed sign-ins before."""

    dependencies = [("accounts", "0003_sessions_of_people")]

    operations = [
        migrations.RunSQL(
            """
            DROP TABLE IF EXISTS axes_accessattemptexpiration, axes_accessattempt, axes_accesslog,
                axes_accessfailurelog CASCADE;
            DELETE FROM django_migrations WHERE app = 'axes';
            """,
            migrations.RunSQL.noop,
        )
    ]
